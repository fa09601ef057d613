"""What the launcher needs of this machine: processes that are told apart, free ports, locks."""

import contextlib
import fcntl
import os
import random
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

TOOLS: Final = {
    "java": "a Java 17 runtime, for example: apt install openjdk-17-jre-headless",
    "mvn": "Maven, which fetches Kafka, for example: apt install maven",
}
# Below those that outgoing connections get, so that none of them takes one meanwhile.
_PORT_MIN: Final = 20_000
_PORT_MAX: Final = 31_999

Report = Callable[[str], None]


class KafkaLaunchError(Exception):
    """Kafka does not run; the message says why and what to do."""


def print_progress(line: str) -> None:
    """Tell a person what is being waited for."""
    print(line, file=sys.stderr, flush=True)


def explain_missing(names: Sequence[str]) -> list[str]:
    """Return a sentence for each of these tools that is not installed."""
    return [f"{name} is missing: {TOOLS[name]}" for name in names if shutil.which(name) is None]


def cache_folder() -> Path:
    """Return the folder of what is fetched once and kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "payment-switch"


def find_process_start(pid: int) -> int | None:
    """Return when a process started, which tells it from a later one with its id; None if gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        thread_count = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return None
    # The first thread is a zombie at once, but while others end the ports are still taken.
    is_gone = fields[0] == "Z" and thread_count <= 1
    return None if is_gone else int(fields[19])


def find_free_ports(count: int) -> list[int]:
    """
    Pick so many ports of the loopback interface, all different.

    Nobody who asks here gets one of them for the next ten thousand: all of a user's processes
    count on in one file, so that two that start brokers at once do not meet.
    """
    path = Path(tempfile.gettempdir()) / f"payment-switch-ports-{os.getuid()}"
    with locked(path.with_suffix(".lock")):
        try:
            last = int(path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            last = random.randrange(_PORT_MIN, _PORT_MAX)  # noqa: S311 (no secret)
        found: list[int] = []
        while len(found) < count:
            last = last + 1 if _PORT_MIN <= last < _PORT_MAX else _PORT_MIN
            if is_port_free(last):
                found.append(last)
        path.write_text(str(last), encoding="ascii")
    return found


def is_port_free(port: int) -> bool:
    """Say whether this port of the loopback interface can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time in."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_secret(path: Path, text: str) -> None:
    """Write a file that nobody but its owner reads, not even while it is written."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
