"""Snapshots beside the process: whole files, the newest two of each partition."""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

KEPT_COUNT: Final = 2  # the newest, and one more for the case that it cannot be read
PIECE_BYTES: Final = 131_072  # some milliseconds of decoding
_NAME: Final = re.compile(r"(\d{2})-(\d{15})\.snapshot")
_UNFINISHED: Final = ".unfinished"


class StoredSnapshot(NamedTuple):
    """A whole snapshot in the folder: `next_offset` is the first journal record not in it."""

    path: Path
    next_offset: int


class SnapshotFolder:
    """
    A folder of snapshots; one process writes it.

    A file has its name only once it is whole and on the disk.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def prepare(self) -> None:
        """
        Make the folder, and clear away what a process has left unfinished that was killed.

        Raises:
            OSError: it cannot be used.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._directory.glob(f"*{_UNFINISHED}"):
            path.unlink(missing_ok=True)

    def list(self, partition: int) -> list[StoredSnapshot]:
        """Return what there is of a partition, the newest first; a folder that is gone is empty."""
        found: list[StoredSnapshot] = []
        with contextlib.suppress(OSError):
            for path in self._directory.iterdir():
                match = _NAME.fullmatch(path.name)
                if match and int(match[1]) == partition:
                    found.append(StoredSnapshot(path, int(match[2])))
        return sorted(found, key=lambda one: -one.next_offset)

    def begin(self, partition: int, next_offset: int) -> Path:
        """Return where to write a snapshot that is not finished."""
        return self._directory / f"{_name(partition, next_offset)}.{os.getpid()}{_UNFINISHED}"

    def keep(self, unfinished: Path, partition: int, next_offset: int) -> Path:
        """
        Give a snapshot that was written whole its name; drop all but the newest two.

        Raises:
            OSError: it could not be kept.
        """
        path = self._directory / _name(partition, next_offset)
        unfinished.replace(path)
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        for old in self.list(partition)[KEPT_COUNT:]:
            self.drop(old.path)
        return path

    def drop(self, path: Path) -> None:
        """Remove a snapshot that is of no use, or an unfinished one."""
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """
    Write a new file and wait until it is on the disk.

    Raises:
        OSError: it is not; what was written so far is left for the caller to drop.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_pieces(path: Path) -> Iterator[bytes]:
    """
    Read a file in pieces of a bounded size.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _name(partition: int, next_offset: int) -> str:
    return f"{partition:02d}-{next_offset:015d}.snapshot"
