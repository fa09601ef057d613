"""The data folder of one instance: marked as ours, held by one process at a time."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

MARKER_FILE: Final = "instance.json"
LOCK_FILE: Final = "switch.lock"
FORMAT: Final = 1
_MARKED_AS: Final = "payment-switch"
_PID_BYTES_MAX: Final = 20


class DataFolderForeign(Exception):
    """The folder is not ours to use; the message says why and what to do."""

    retryable: ClassVar[bool] = False


class DataFolderHeld(Exception):
    """Another process runs over this folder; the message names it."""

    retryable: ClassVar[bool] = True


@contextlib.contextmanager
def lock_data_folder(directory: Path) -> Iterator[None]:
    """
    Hold a data folder while the block runs; make it if there is none.

    The lock goes when the process does, however it ends.

    Raises:
        DataFolderForeign: something else is in it, another version made it, or it cannot be used.
        DataFolderHeld: another process holds it.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_foreign(directory)
        descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataFolderForeign(
            f"the data folder {directory} cannot be used: {error.strerror}; choose another with"
            " --data"
        ) from error
    try:
        _lock(descriptor, directory)
        _mark(directory)
        yield
    finally:
        os.close(descriptor)


def _refuse_foreign(directory: Path) -> None:
    marker = directory / MARKER_FILE
    if not marker.exists():
        others = sorted(path.name for path in directory.iterdir() if path.name != LOCK_FILE)
        if others:
            raise DataFolderForeign(
                f"{directory} holds other things ({', '.join(others[:3])}, ...) and no"
                f" {MARKER_FILE}: it is not a data folder of the switch; choose another with --data"
            )
        return
    try:
        content = json.loads(marker.read_text(encoding="utf-8"))
        found = content["format"] if content["program"] == _MARKED_AS else None
    except (ValueError, KeyError, TypeError):
        found = None
    if found != FORMAT:
        raise DataFolderForeign(
            f"{marker} was not written by this version of the switch (format {FORMAT} is wanted);"
            " choose another folder with --data, or the version that made it"
        )


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, _PID_BYTES_MAX, 0).decode("ascii", "replace").strip()
        raise DataFolderHeld(
            f"the data folder {directory} is in use by process {holder or '?'}; stop that one"
            " first (Ctrl-C where it runs), or choose another with --data"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _mark(directory: Path) -> None:
    marker = directory / MARKER_FILE
    if marker.exists():
        return
    aside = directory / f".{MARKER_FILE}"
    aside.write_text(json.dumps({"program": _MARKED_AS, "format": FORMAT}) + "\n", encoding="utf-8")
    aside.replace(marker)
