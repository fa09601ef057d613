"""The issuer's ledger as a file: one JSON line a message, written before its answer leaves."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from switch.demo.issuer_line import LedgerLine

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(LedgerLine).decode


class IssuerLedger:
    """Appends lines to a file that outlives kill -9 (not a power cut: it is a demo's witness)."""

    def __init__(self, path: Path) -> None:
        """
        Open the ledger, making it if there is none; a last line torn by a kill is cut off.

        Raises:
            OSError: the file cannot be opened.
        """
        _cut_torn_line(path)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def append(self, lines: Sequence[LedgerLine]) -> None:
        """
        Write lines with one call; on return the operating system has them.

        Raises:
            OSError: none of them is written; a full disk leaves no half line for the next start.
        """
        rest = b"".join([_encode(line) + b"\n" for line in lines])
        size = os.fstat(self._fd).st_size
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            os.ftruncate(self._fd, size)
            raise

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def read_ledger(path: Path) -> Iterator[LedgerLine]:
    """
    Yield the lines of a ledger; one that is just being written is left out.

    Raises:
        OSError: the file cannot be read.
        msgspec.DecodeError: a line is not a ledger line.
    """
    with path.open("rb") as file:
        for text in file:
            if text.endswith(b"\n"):
                yield _decode(text)


def _cut_torn_line(path: Path) -> None:
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        start = max(end - 65_536, 0)  # far more than the longest line
        file.seek(start)
        last_line_feed = file.read().rfind(b"\n")
        file.truncate(start + last_line_feed + 1)
