"""The bare pipe measured: started beside its own issuer, searched for its highest rate."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from loadtest.bare_pipe import RecordSizes
from loadtest.instance import InstanceError
from loadtest.levels import LevelRunner
from loadtest.search import SearchResult, search_rate
from loadtest.world import make_terminals

STOP_TIMEOUT_S: Final = 10.0


class PipeBench(msgspec.Struct, frozen=True, kw_only=True):
    """What the bare pipe reached."""

    p99_ms_max: float
    record_sizes: RecordSizes
    search: SearchResult


async def bench_pipe(
    *,
    terminals: int,
    seconds: float,
    p99_ms_max: float,
    sizes: RecordSizes,
    low_per_s: float = 2_000,
    high_per_s: float = 20_000,
) -> PipeBench:
    """
    Search for the bare pipe's highest rate.

    Raises:
        InstanceError: the pipe or its issuer cannot be started.
    """
    with (
        tempfile.TemporaryDirectory(prefix="lt-") as folder,
        _running_pipe(Path(folder), sizes) as (address, pid),
    ):
        runner = LevelRunner(
            make_terminals(terminals),
            address,
            switch_pid=pid,
            seconds=seconds,
            mac_check_share=0.0,
        )
        search = await search_rate(
            runner.run, low_per_s=low_per_s, high_per_s=high_per_s, p99_ms_max=p99_ms_max
        )
    return PipeBench(p99_ms_max=p99_ms_max, record_sizes=sizes, search=search)


@contextlib.contextmanager
def _running_pipe(folder: Path, sizes: RecordSizes) -> Iterator[tuple[tuple[str, int], int]]:
    with running_issuer(folder) as (issuer_port, _):
        pipe_command = ["loadtest.bare_pipe", str(folder), "127.0.0.1", str(issuer_port)]
        encoded_sizes = msgspec.json.encode(sizes).decode()
        with running([*pipe_command, encoded_sizes]) as (pipe_line, pid):
            name, port = pipe_line.split()
            yield (name, int(port)), pid


@contextlib.contextmanager
def running_issuer(folder: Path, delay_ms: int = 0) -> Iterator[tuple[int, int]]:
    """
    Run the issuer simulator while the block runs; gives its port and its pid.

    Raises:
        InstanceError: it ends at once.
    """
    command = ["switch", "issuer", "--data", str(folder), "--address", "127.0.0.1:0"]
    with running([*command, "--delay-ms", str(delay_ms)]) as (line, pid):
        # the line reads: issuer simulator on 127.0.0.1 colon PORT comma ledger...
        yield int(line.partition("127.0.0.1:")[2].partition(",")[0]), pid


@contextlib.contextmanager
def running(arguments: list[str]) -> Iterator[tuple[str, int]]:
    """
    Run `python -m ARGUMENTS` while the block runs; gives its first line and its pid.

    Raises:
        InstanceError: it ends at once.
    """
    with subprocess.Popen(  # noqa: S603 - our own programs with our own arguments
        [sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise InstanceError(f"`python -m {' '.join(arguments)}` ended at once")
            yield line.strip(), process.pid
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
