"""What a process and its children use, as the kernel tells it (Linux)."""

import os
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ProcessUse(NamedTuple):
    """One process: processor seconds so far and resident bytes now."""

    pid: int
    parent_pid: int
    name: str
    cpu_s: float
    resident_bytes: int


def read_process(pid: int) -> ProcessUse | None:
    """Read one process; None if it is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    rest = text[text.rindex(")") + 2 :].split()
    # proc(5): rest begins with field 3 (state); 4 ppid, 14 utime, 15 stime, 24 rss
    cpu_s = (int(rest[11]) + int(rest[12])) / _TICKS_PER_S
    return ProcessUse(pid, int(rest[1]), name, cpu_s, int(rest[21]) * _PAGE_BYTES)


def read_tree(pid: int) -> list[ProcessUse]:
    """Read a process and everything below it, parents first; empty if it is gone."""
    everybody = [
        use
        for path in _PROC.iterdir()
        if path.name.isdecimal() and (use := read_process(int(path.name)))
    ]
    tree = [use for use in everybody if use.pid == pid]
    for use in tree:  # grows while it is walked
        tree.extend(child for child in everybody if child.parent_pid == use.pid)
    return tree


def total_cpu_s(tree: list[ProcessUse]) -> float:
    """Add up the processor seconds of a tree."""
    return sum(use.cpu_s for use in tree)
