"""When a snapshot is taken, when it counts, and where one is looked for."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Final

from switch.adapters.clock import read_boot_ms, read_clock
from switch.adapters.code_digest import read_code_digest
from switch.adapters.forked_writer import ForkedWriter, fork_writer
from switch.adapters.kafka_log import KafkaLog
from switch.adapters.kafka_snapshots import FoundSet, SnapshotTopic
from switch.adapters.snapshot_folder import SnapshotFolder, StoredSnapshot, read_pieces
from switch.adapters.telemetry import Telemetry
from switch.apps.log_settings import SnapshotSettings
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.journal import UnknownEvent, decode_record
from switch.eventlog.journal_place import JournalPlace
from switch.eventlog.port import (
    AppendRefused,
    AppendUnknown,
    EventLog,
    LogUnavailable,
    PartitionLog,
    PositionOutOfRange,
)
from switch.handlers.book import PartitionBook
from switch.handlers.snapshot import (
    Snapshot,
    SnapshotDecoder,
    SnapshotOrigin,
    SnapshotUnusable,
    check_last_record,
    counts,
    encode_snapshot,
    make_origin,
)

LOOK_TIMEOUT_S: Final = 3.0  # for the newest set in the topic
FETCH_TIMEOUT_S: Final = 60.0
PUBLISH_TIMEOUT_S: Final = 300.0
CHECK_WAIT_MS: Final = 500
_TOPIC_FAULTS: Final = (
    AppendRefused,
    AppendUnknown,
    LogUnavailable,
    PositionOutOfRange,
    SnapshotUnusable,
    TimeoutError,
    OSError,
    ValueError,  # msgspec's among them
)


class _Taken:
    """A snapshot between its fork and the moment at which it counts."""

    def __init__(self, place: JournalPlace, path: Path) -> None:
        self.place = place
        self.path = path
        self.is_written = False
        self.is_acked = False
        self.is_dropped = False
        self.writing: asyncio.Task[None] | None = None


class _Newest:
    """How far the newest snapshot of a partition goes, and since when it is the newest."""

    def __init__(self, next_offset: int, boot_ms: int) -> None:
        self.next_offset = next_offset
        self.boot_ms = boot_ms


class SnapshotKeeper:
    """
    Takes snapshots of the partitions that this process serves, and finds them again.

    One is written by a child of a fork, so it holds what was folded at that moment, records on
    their way included; it counts only once all of those are acknowledged, in order and with nothing
    foreign among them. A fault here is a line in the log and never one of the partition.
    """

    def __init__(
        self,
        *,
        settings: SnapshotSettings,
        partition_count: int,
        rules: DecisionRules,
        folder: SnapshotFolder,
        topic: SnapshotTopic | None,
        code_digest: str,
        telemetry: Telemetry,
    ) -> None:
        self._settings = settings
        self._partition_count = partition_count
        self._rules = rules
        self._folder = folder
        self._topic = topic
        self._code_digest = code_digest
        self._log = telemetry.log
        metrics = telemetry.metrics
        self._count = metrics.counter("switch_snapshots_total")
        self._offsets = metrics.gauge("switch_snapshot_offset")
        self._times = metrics.gauge("switch_snapshot_time_seconds")
        self._pause = metrics.gauge("switch_snapshot_pause_seconds")
        self._newest: dict[int, _Newest] = {}  # published or loaded
        self._begun: dict[int, _Newest] = {}  # from where the next one is counted
        self._taken: dict[int, _Taken] = {}
        self._writing: asyncio.Task[None] | None = None  # one child at a time
        self._child: ForkedWriter | None = None  # the last one: a stuck disk may still hold it
        self._sending: dict[int, asyncio.Task[None]] = {}

    # -- looking for one ----------------------------------------------------------------------

    async def load(self, index: int, journal: PartitionLog) -> Snapshot | None:
        """
        Restore the newest usable snapshot of a partition; None: read from the start.

        `journal` is only read: to see that the snapshot is one of this journal.
        """
        started_ms = read_boot_ms()
        found = await self._find_in_topic(index)
        theirs = found.manifest.next_offset if found is not None else -1
        stored = self._folder.list(index)
        newer = [one for one in stored if one.next_offset >= theirs]
        loaded = await self._load_from_folder(index, journal, newer)
        if loaded is None and found is not None:
            loaded = await self._load_from_topic(index, journal, found)
        if loaded is None:
            loaded = await self._load_from_folder(index, journal, stored[len(newer) :])
        return self._note_loaded(index, loaded, started_ms) if loaded is not None else None

    async def _load_from_folder(
        self, index: int, journal: PartitionLog, stored: Sequence[StoredSnapshot]
    ) -> Snapshot | None:
        for one in stored:
            loaded = await self._restore(index, journal, _read_file(one.path), "folder")
            if isinstance(loaded, Snapshot):
                return loaded
            if isinstance(loaded, SnapshotUnusable):
                self._folder.drop(one.path)
        return None

    async def _load_from_topic(
        self, index: int, journal: PartitionLog, found: FoundSet
    ) -> Snapshot | None:
        assert self._topic is not None
        loaded = await self._restore(index, journal, self._topic.fetch(index, found), "topic")
        if isinstance(loaded, Snapshot):
            return loaded
        if isinstance(loaded, SnapshotUnusable):
            self._topic.reject(index, found)
        return None

    def newest_offset(self, index: int) -> int:
        """Return the first journal offset not in the newest snapshot, -1 if there is none."""
        newest = self._newest.get(index)
        return -1 if newest is None else newest.next_offset

    def _origin_of(self, index: int) -> SnapshotOrigin:
        return make_origin(
            partition=index,
            partition_count=self._partition_count,
            code_digest=self._code_digest,
            rules=self._rules,
        )

    async def _find_in_topic(self, index: int) -> FoundSet | None:
        if self._topic is None:
            return None
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                found = await self._topic.find(index)
        except _TOPIC_FAULTS as error:
            self._tell_unusable(index, "topic", error)
            return None
        if found is not None and found.manifest.origin != self._origin_of(index):
            self._tell_unusable(index, "topic", SnapshotUnusable("it is of another version"))
            return None
        return found

    async def _restore(
        self, index: int, journal: PartitionLog, pieces: AsyncGenerator[bytes, None], source: str
    ) -> Snapshot | Exception:
        """Restore one; or say why not: it is of no use ever, or could not be read now."""
        decoder = SnapshotDecoder(self._origin_of(index), self._rules)
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S), aclosing(pieces):
                async for piece in pieces:
                    decoder.offer(piece)
                    while decoder.step():  # noqa: ASYNC110 - it works, it does not wait
                        await asyncio.sleep(0)  # whatever else this process serves has its turn
                snapshot = decoder.finish()
                await _check_journal(journal, snapshot.place)
        except _TOPIC_FAULTS as error:
            self._tell_unusable(index, source, error)
            return error
        return snapshot

    def _note_loaded(self, index: int, loaded: Snapshot, started_ms: int) -> Snapshot:
        now = read_boot_ms()
        self._newest[index] = _Newest(loaded.place.next_offset, now)
        self._begun[index] = _Newest(loaded.place.next_offset, now)
        self._offsets.labels(str(index)).set(loaded.place.next_offset)
        self._count.labels("loaded").inc()
        self._log.info(
            "snapshot loaded",
            partition=index,
            next_offset=loaded.place.next_offset,
            payment_count=len(loaded.book),
            took_ms=now - started_ms,
        )
        return loaded

    def _tell_unusable(self, index: int, source: str, error: Exception) -> None:
        self._count.labels("unusable").inc()
        self._log.warning(
            "snapshot not used", partition=index, source=source, reason=_explain(error)
        )

    # -- taking one -------------------------------------------------------------------------------

    def note_acked(
        self,
        index: int,
        *,
        acked_next_offset: int,
        book: PartitionBook,
        place_of: Callable[[], JournalPlace],
    ) -> None:
        """
        Take note that all records below an offset are acknowledged, in order; begin one when due.

        `book` must hold exactly what lies before `place_of()`: call it when all that the machine
        has decided was handed to the log.
        """
        taken = self._taken.get(index) or self._begin_if_due(
            index, acked_next_offset, book, place_of
        )
        is_acked = taken is not None and acked_next_offset >= taken.place.next_offset
        if taken is not None and is_acked and not taken.is_acked:
            self._judge(index, taken, place_of())

    def _begin_if_due(
        self,
        index: int,
        acked_next_offset: int,
        book: PartitionBook,
        place_of: Callable[[], JournalPlace],
    ) -> _Taken | None:
        now = read_boot_ms()
        begun = self._begun.get(index)
        if begun is None:
            begun = self._begun[index] = _Newest(0, now)
        fresh_count = acked_next_offset - begun.next_offset
        is_due = fresh_count >= self._settings.interval_record_count or (
            fresh_count > 0 and now - begun.boot_ms >= self._settings.interval_ms
        )
        is_busy = self._writing is not None or (self._child is not None and not self._child.is_gone)
        if not is_due or is_busy or index in self._sending:
            return None
        return self._begin(index, book, place_of(), now)

    def forget(self, index: int) -> None:
        """Throw away what is being made of a partition: it was lost, or its places moved."""
        taken = self._taken.pop(index, None)
        if taken is not None:
            self._discard(index, taken, "the partition changed hands, or its offsets moved")

    async def stop(self) -> None:
        """End what is being written or sent; nothing of it counts."""
        for index in list(self._taken):
            self.forget(index)
        tasks = [*self._sending.values(), *([self._writing] if self._writing else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(
        self, index: int, book: PartitionBook, place: JournalPlace, now: int
    ) -> _Taken | None:
        self._begun[index] = _Newest(place.next_offset, now)
        origin = self._origin_of(index)
        path = self._folder.begin(index, place.next_offset)
        try:
            self._folder.drop(path)
            writer = self._child = fork_writer(path, lambda: encode_snapshot(book, place, origin))
        except OSError as error:
            self._fail(index, error)
            return None
        self._pause.set(writer.fork_s)
        taken = self._taken[index] = _Taken(place, path)

        taken.writing = self._writing = asyncio.create_task(writer.wait(), name=f"snapshot-{index}")
        self._writing.add_done_callback(partial(self._end_writing, index, taken, writer))
        return taken

    def _end_writing(
        self, index: int, taken: _Taken, writer: ForkedWriter, writing: asyncio.Task[None]
    ) -> None:
        """Take what the child has left; of one that was broken off nothing."""
        writer.end()
        self._writing = None
        error = None if writing.cancelled() else writing.exception()
        taken.is_written = error is None and not writing.cancelled()
        if taken.is_dropped or not taken.is_written:
            self._folder.drop(taken.path)
        if taken.is_written:
            self._keep_if_whole(index, taken)
        elif not taken.is_dropped:
            del self._taken[index]
            self._fail(index, error)

    def _judge(self, index: int, taken: _Taken, place: JournalPlace) -> None:
        """All that it holds is acknowledged: it counts if nothing foreign came in between."""
        if counts(taken.place, place):
            taken.is_acked = True
            self._keep_if_whole(index, taken)
        else:
            del self._taken[index]
            self._discard(index, taken, "something foreign came between its records")

    def _keep_if_whole(self, index: int, taken: _Taken) -> None:
        """Give it its name once it is both written and acknowledged."""
        if not (taken.is_written and taken.is_acked) or taken.is_dropped:
            return
        del self._taken[index]
        next_offset = taken.place.next_offset
        try:
            path = self._folder.keep(taken.path, index, next_offset)
        except OSError as error:
            self._folder.drop(taken.path)
            self._fail(index, error)
            return
        now = read_clock()
        self._newest[index] = _Newest(next_offset, now.boot_ms)
        self._offsets.labels(str(index)).set(next_offset)
        self._times.labels(str(index)).set(now.wall_ms / 1_000)
        self._count.labels("written").inc()
        self._log.info("snapshot written", partition=index, next_offset=next_offset)
        if self._topic is not None:
            self._sending[index] = asyncio.create_task(
                self._send(index, self._topic, path, next_offset), name=f"snapshot-sending-{index}"
            )

    async def _send(self, index: int, topic: SnapshotTopic, path: Path, next_offset: int) -> None:
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                await topic.publish(index, read_pieces(path), self._origin_of(index), next_offset)
        except _TOPIC_FAULTS as error:
            self._count.labels("not-sent").inc()
            self._log.warning("snapshot not sent", partition=index, reason=_explain(error))
        else:
            self._count.labels("sent").inc()
        finally:
            self._sending.pop(index, None)

    def _discard(self, index: int, taken: _Taken, reason: str) -> None:
        taken.is_dropped = True
        if taken.writing is not None:
            taken.writing.cancel()  # its child, too
        self._folder.drop(taken.path)
        self._count.labels("discarded").inc()
        self._log.info("snapshot discarded", partition=index, reason=reason)

    def _fail(self, index: int, error: BaseException | None) -> None:
        """Say that there is none; the next one comes in its time, not with the next record."""
        self._count.labels("failed").inc()
        self._log.warning("snapshot not written", partition=index, reason=_explain(error))


def make_snapshot_keeper(
    settings: SnapshotSettings,
    *,
    data_directory: Path,
    event_log: EventLog,
    rules: DecisionRules,
    telemetry: Telemetry,
) -> SnapshotKeeper | None:
    """Build the keeper of a handler; None where there is no room for snapshots, or no sources."""
    folder = SnapshotFolder(Path(settings.directory or data_directory / "snapshots"))
    try:
        folder.prepare()
        code_digest = read_code_digest()
    except OSError as error:
        telemetry.log.warning("no snapshots are kept", reason=_explain(error))
        return None
    has_topic = settings.to_topic and isinstance(event_log, KafkaLog)
    return SnapshotKeeper(
        settings=settings,
        partition_count=event_log.partition_count,
        rules=rules,
        folder=folder,
        topic=SnapshotTopic(event_log) if has_topic else None,
        code_digest=code_digest,
        telemetry=telemetry,
    )


async def _check_journal(journal: PartitionLog, place: JournalPlace) -> None:
    """
    Make sure that a snapshot is one of this journal, and that the journal still holds all of it.

    Raises:
        SnapshotUnusable: it is not.
        LogUnavailable: the journal cannot be read now.
    """
    last = place.next_offset - 1
    try:
        records = await journal.read(last, count_max=1, wait_ms=CHECK_WAIT_MS)
    except PositionOutOfRange:
        records = []
    is_there = bool(records) and records[0].offset == last
    try:
        check_last_record(place, decode_record(records[0].value) if is_there else None)
    except UnknownEvent:
        raise SnapshotUnusable("the record where it ends cannot be read") from None


async def _read_file(path: Path) -> AsyncGenerator[bytes, None]:
    for piece in read_pieces(path):
        yield piece


def _explain(error: BaseException | None) -> str:
    if error is None:
        return "broken off"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
