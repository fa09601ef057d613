"""
Snapshots in a compacted topic, for a handler that starts elsewhere.

Each partition of the topic has room for two sets of chunks, written in turn under the same keys:
the one that is newest stays whole until the next one is. A manifest follows the last chunk and is
what makes a set; every chunk says where the newest manifest was then, so the end of the topic
always leads to it. Nothing here must last: whatever is torn, old or gone is no snapshot.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from typing import Final, NamedTuple

import msgspec

from switch.eventlog.port import (
    AppendRefused,
    AppendUnknown,
    EventLog,
    PartitionLog,
    StoredRecord,
)
from switch.handlers.snapshot import SnapshotOrigin, SnapshotUnusable

SNAPSHOTS: Final = "snapshots"
CHUNK_BYTES: Final = 120_000  # with its own words it stays below the largest record
IN_FLIGHT_COUNT_MAX: Final = 16  # two megabytes: it is in no hurry
READ_COUNT_MAX: Final = 32
READ_WAIT_MS: Final = 500


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """
    A set that is whole.

    `first_offset` is where its first chunk lies in the topic, `next_offset` the first journal
    record that is not in the snapshot.
    """

    slot: int
    chunk_count: int
    first_offset: int
    next_offset: int
    origin: SnapshotOrigin


class Chunk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One record of the topic: a piece of a set, or (with a manifest) the word that the set is whole.

    `newest` is the offset of the newest manifest when it was written, -1 if there was none. Without
    content and manifest it takes the place of one that is over.
    """

    set_id: str
    number: int = 0
    newest: int = -1
    content: bytes = b""
    manifest: Manifest | None = None


class FoundSet(NamedTuple):
    """The newest whole set, and where its manifest lies."""

    set_id: str
    manifest: Manifest
    offset: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Chunk)


class SnapshotTopic:
    """The snapshots topic of an event log that has one."""

    def __init__(self, event_log: EventLog) -> None:
        self._event_log = event_log
        self._rejected: dict[int, str] = {}  # sets that turned out to be of no use, by partition

    def reject(self, partition: int, found: FoundSet) -> None:
        """Take note that a set is of no use here: the next one that is published replaces it."""
        self._rejected[partition] = found.set_id

    async def find(self, partition: int) -> FoundSet | None:
        """
        Find the newest whole set of a partition.

        Raises:
            LogUnavailable: the topic cannot be read.
            PositionOutOfRange: it was cut off meanwhile.
            MsgspecError: what lies there is none of ours.
            ValueError: this log has no such topic.
        """
        log = await self._event_log.open_partition(SNAPSHOTS, partition)
        try:
            return await _find(log)
        finally:
            await log.close()

    async def fetch(self, partition: int, found: FoundSet) -> AsyncGenerator[bytes, None]:
        """
        Read a set, chunk by chunk.

        Raises:
            SnapshotUnusable: a newer one has taken its place.
            LogUnavailable, PositionOutOfRange, MsgspecError, ValueError: as `find`.
        """
        log = await self._event_log.open_partition(SNAPSHOTS, partition)
        try:
            manifest, number = found.manifest, 0
            offset = manifest.first_offset
            while number < manifest.chunk_count and offset < found.offset:
                records = await log.read(offset, count_max=READ_COUNT_MAX, wait_ms=READ_WAIT_MS)
                if not records:
                    break
                for record in records:
                    chunk = _decoder.decode(record.value)
                    if chunk.manifest is not None or chunk.set_id != found.set_id:
                        continue
                    if chunk.number != number:
                        break
                    number += 1
                    yield chunk.content
                offset = records[-1].offset + 1
            if number < manifest.chunk_count:
                raise SnapshotUnusable(f"chunk {number} of {manifest.chunk_count} is gone")
        finally:
            await log.close()

    async def publish(
        self, partition: int, pieces: Iterable[bytes], origin: SnapshotOrigin, next_offset: int
    ) -> None:
        """
        Write a set, then its manifest, then make the older one small; a newer one is left alone.

        Raises:
            AppendRefused, AppendUnknown: it was not written, or nobody knows.
            LogUnavailable, PositionOutOfRange, MsgspecError, ValueError: as `find`.
            OSError: the pieces cannot be read.
        """
        log = await self._event_log.open_partition(SNAPSHOTS, partition)
        try:
            old = await _find(log)
            if old is not None and self._is_newer(partition, old, origin, next_offset):
                return
            slot = 1 - old.manifest.slot if old is not None else 0
            sender = _Sender(log, partition)
            sender.newest = old.offset if old is not None else -1
            set_id = secrets.token_hex(8)
            chunk_count = 0
            for chunk_count, content in enumerate(_cut(pieces), 1):
                await sender.send_chunk(slot, set_id, chunk_count - 1, content)
            manifest = Manifest(
                slot=slot,
                chunk_count=chunk_count,
                first_offset=await sender.end_set(),
                next_offset=next_offset,
                origin=origin,
            )
            await sender.send_manifest(set_id, manifest)
            if old is not None:
                for number in range(old.manifest.chunk_count):
                    await sender.send_chunk(old.manifest.slot, "", number, b"")
            await sender.end_set()
        finally:
            await log.close()

    def _is_newer(
        self, partition: int, old: FoundSet, origin: SnapshotOrigin, next_offset: int
    ) -> bool:
        is_of_use = old.manifest.origin == origin and old.set_id != self._rejected.get(partition)
        return is_of_use and old.manifest.next_offset >= next_offset


class _Sender:
    """Appends in order, a bounded number at a time."""

    def __init__(self, log: PartitionLog, partition: int) -> None:
        self.newest = -1
        self._log = log
        self._partition = partition
        self._loop = asyncio.get_running_loop()
        self._in_flight: deque[asyncio.Future[int]] = deque()
        self._first_offset = -1

    async def send_chunk(self, slot: int, set_id: str, number: int, content: bytes) -> None:
        chunk = Chunk(set_id=set_id, number=number, newest=self.newest, content=content)
        key = f"{self._partition}/{slot}/{number}"
        await self._send(key, _encoder.encode(chunk))

    async def send_manifest(self, set_id: str, manifest: Manifest) -> None:
        record = Chunk(set_id=set_id, newest=self.newest, manifest=manifest)
        await self._send(f"{self._partition}/manifest", _encoder.encode(record))
        self.newest = await self.end_set()

    async def end_set(self) -> int:
        """Wait until all is acknowledged; return the first offset of what was sent since."""
        while self._in_flight:
            await self._take_oldest()
        first, self._first_offset = self._first_offset, -1
        return first

    async def _send(self, key: str, value: bytes) -> None:
        acked: asyncio.Future[int] = self._loop.create_future()

        def take_ack(outcome: int | AppendRefused | AppendUnknown) -> None:
            if acked.done():
                return
            if isinstance(outcome, int):
                acked.set_result(outcome)
            else:
                acked.set_exception(outcome)
                acked.exception()  # whoever sends may have gone already

        self._log.append(value, take_ack, key=key.encode())
        self._in_flight.append(acked)
        if len(self._in_flight) >= IN_FLIGHT_COUNT_MAX:
            await self._take_oldest()

    async def _take_oldest(self) -> None:
        offset = await self._in_flight.popleft()
        if self._first_offset < 0:
            self._first_offset = offset


async def _find(log: PartitionLog) -> FoundSet | None:
    end = await log.end()
    if not end:
        return None
    offset = end - 1
    found = await _read_one(log, offset)
    if found is not None and found.manifest is None and found.newest >= 0:
        offset = found.newest
        found = await _read_one(log, offset)
    if found is None or found.manifest is None:
        return None
    return FoundSet(found.set_id, found.manifest, offset)


async def _read_one(log: PartitionLog, offset: int) -> Chunk | None:
    """Read the record at an offset; None if it is gone."""
    records: list[StoredRecord] = await log.read(offset, count_max=1, wait_ms=READ_WAIT_MS)
    return _decoder.decode(records[0].value) if records and records[0].offset == offset else None


def _cut(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """Cut a file that comes in pieces of any size into chunks of one size."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer[:CHUNK_BYTES])
            del buffer[:CHUNK_BYTES]
    if buffer:
        yield bytes(buffer)
