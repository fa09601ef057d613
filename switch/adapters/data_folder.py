"""The data folder of one instance: marked as ours, in use by one process at a time."""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final

LOCK_FILE: Final = "switch.lock"
MARKER_FILE: Final = "instance.json"
UNFINISHED_FILE: Final = "instance.json.new"
PROGRAM: Final = "payment-switch"
FORMAT: Final = 1
_NOT_FOREIGN: Final = {LOCK_FILE, UNFINISHED_FILE, "lost+found"}  # the last: of mount points
_HOLDER_BYTES_MAX: Final = 4_096


class DataFolderForeign(Exception):
    """The folder is not ours to use; the message says why and what to do."""

    retryable: ClassVar[bool] = False


class DataFolderHeld(Exception):
    """Another process runs over this folder; the message says which."""

    retryable: ClassVar[bool] = True


@contextlib.contextmanager
def lock_data_folder(directory: Path) -> Iterator[None]:
    """
    Hold a data folder while the block runs; make it if there is none.

    The lock goes when the process does, however it ends.

    Raises:
        DataFolderForeign: it holds something else, another version made it, or it cannot be used.
        DataFolderHeld: another process uses it.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_ours(directory)
        # Not inherited by children: none of them may hold the folder after this process.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(directory / LOCK_FILE, flags, 0o600)
    except OSError as error:
        raise DataFolderForeign(
            f"cannot use {directory} as data folder ({error.strerror}); choose another with --data"
        ) from error
    try:
        _lock(descriptor, directory)
        _mark(directory)
        yield
    finally:
        os.close(descriptor)


def name_owner(directory: Path) -> str:
    """
    Name whoever serves from a data folder: the same after each restart, another elsewhere.

    So a process that comes back after a kill knows the claims of its former life as its own, and
    need not wait until that counts as gone.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _mark(directory)
    marker = json.loads((directory / MARKER_FILE).read_text(encoding="utf-8"))
    made_at = str(marker["made_at"]).encode()
    own = marker.get("id") or hashlib.blake2s(made_at, digest_size=4).hexdigest()
    return f"{socket.gethostname()}-{own}"


def find_last_command(directory: Path) -> str:
    """Return how the process that holds a data folder, or held it last, was started; or nothing."""
    try:
        holder = json.loads((directory / LOCK_FILE).read_text(encoding="utf-8"))
        _, _, arguments = str(holder["command"]).partition(" ")
    except (OSError, ValueError, TypeError, KeyError):
        return ""
    return f"switch {arguments}" if arguments else ""


def _check_ours(directory: Path) -> None:
    marker = directory / MARKER_FILE
    if not marker.exists():
        if foreign := sorted({entry.name for entry in directory.iterdir()} - _NOT_FOREIGN):
            raise DataFolderForeign(
                f"{directory} is not empty and not a data folder of the switch (it holds "
                f"{foreign[0]}); choose another with --data, or empty it"
            )
        return
    try:
        content = json.loads(marker.read_text(encoding="utf-8"))
        program, found_format = content["program"], content["format"]
    except (ValueError, TypeError, KeyError):
        program, found_format = None, None
    if program != PROGRAM:
        raise DataFolderForeign(
            f"{marker} was not written by the switch; choose another data folder with --data"
        )
    if found_format != FORMAT:
        raise DataFolderForeign(
            f"{directory} was made by another version of the switch (folder format {found_format},"
            f" this program knows {FORMAT}); use that version, or another folder with --data"
        )


def _lock(descriptor: int, directory: Path) -> None:
    """Take the lock and note who holds it, for the message that a second process prints."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataFolderHeld(
            f"{directory} is in use by {_describe_holder(descriptor)}; stop it first, or choose "
            "another folder with --data"
        ) from None
    holder = {"pid": os.getpid(), "command": " ".join(sys.argv), "started_at": _now()}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _describe_holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, _HOLDER_BYTES_MAX, 0))
        return f"process {holder['pid']} ({holder['command']}, since {holder['started_at']})"
    except (ValueError, TypeError, KeyError):
        return "another process"  # which has only just taken the lock


def _mark(directory: Path) -> None:
    """Mark the folder as ours; a crash in between leaves no half-written marker."""
    marker = directory / MARKER_FILE
    if marker.exists():
        return
    with (directory / UNFINISHED_FILE).open("w", encoding="utf-8") as file:
        content = {
            "program": PROGRAM,
            "format": FORMAT,
            "made_at": _now(),
            "id": secrets.token_hex(4),
        }
        file.write(json.dumps(content) + "\n")
        file.flush()
        os.fsync(file.fileno())
    (directory / UNFINISHED_FILE).replace(marker)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
