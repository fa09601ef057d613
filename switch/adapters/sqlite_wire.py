"""What the switch and the process that writes its embedded log say to each other over a socket."""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from switch.eventlog.port import AppendRefused, AppendUnknown

_RECORD_HEAD: Final = struct.Struct("<IIQ")  # appender, value bytes, stream key
_RUN_HEAD: Final = struct.Struct("<IBH")  # record count, kind, text bytes
_KINDS: Final = (None, AppendRefused, AppendUnknown)
_TEXT_BYTES_MAX: Final = 1_000

RECORD_HEAD_BYTES: Final = _RECORD_HEAD.size

pack_record_head = _RECORD_HEAD.pack


class WrittenRecord(NamedTuple):
    """One record on its way to the file; `appender` numbers the opened partition it came from."""

    appender: int
    stream_key: int
    value: bytes


class Run(NamedTuple):
    """What became of the next `record_count` records in the order in which they were sent."""

    record_count: int
    failure: AppendRefused | AppendUnknown | None


class RecordParser:
    """Cuts what the switch sent into records; keeps a half record until the rest has come."""

    def __init__(self) -> None:
        self._buffer = b""

    def receive_data(self, data: bytes) -> list[WrittenRecord]:
        """Take the next bytes; return the records that are complete."""
        buffer = self._buffer + data if self._buffer else data
        records: list[WrittenRecord] = []
        start, end = 0, len(buffer)
        while end - start >= RECORD_HEAD_BYTES:
            appender, size, stream_key = _RECORD_HEAD.unpack_from(buffer, start)
            value_start = start + RECORD_HEAD_BYTES
            if value_start + size > end:
                break
            start = value_start + size
            records.append(WrittenRecord(appender, stream_key, buffer[value_start:start]))
        self._buffer = buffer[start:]
        return records


def pack_run(run: Run) -> bytes:
    """Encode one run for the switch."""
    kind = 0 if run.failure is None else _KINDS.index(type(run.failure))
    text = b"" if run.failure is None else str(run.failure).encode()[:_TEXT_BYTES_MAX]
    return _RUN_HEAD.pack(run.record_count, kind, len(text)) + text


class RunParser:
    """Cuts what the writing process sent into runs."""

    def __init__(self) -> None:
        self._buffer = b""

    def receive_data(self, data: bytes) -> Iterator[Run]:
        """Take the next bytes; give the runs that are complete."""
        self._buffer += data
        while len(self._buffer) >= _RUN_HEAD.size:
            count, kind, size = _RUN_HEAD.unpack_from(self._buffer)
            if len(self._buffer) < _RUN_HEAD.size + size:
                return
            text = self._buffer[_RUN_HEAD.size : _RUN_HEAD.size + size].decode(errors="replace")
            self._buffer = self._buffer[_RUN_HEAD.size + size :]
            failure_type = _KINDS[kind]
            yield Run(count, None if failure_type is None else failure_type(text))
