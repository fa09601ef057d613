"""Claims, the void rule and the append check on every log (docs/adr, the journal as arbiter)."""

import asyncio
from collections.abc import Callable

import pytest

from switch.adapters.owned_journal import OwnedJournal, claim_log
from switch.eventlog.claimed_writer import AppendFault
from switch.eventlog.claims import JOURNAL_FORMAT
from switch.eventlog.journal import (
    JournalRecord,
    PartitionClaimed,
    PositionNoted,
    decode_record,
    encode_record,
)
from switch.eventlog.journal_reader import JournalReader
from switch.eventlog.port import (
    AppendRefused,
    AppendSink,
    AppendUnknown,
    EventLog,
    Fenced,
    LogUnavailable,
    PartitionLog,
    StoredRecord,
)
from switch.eventlog.takeover import Takeover
from tests.contracts.log_stage import DEADLINE_S, LogStage, append_all, read_all

Folded = list[tuple[int, JournalRecord]]


def note(claim_id: str, at: int) -> JournalRecord:
    return JournalRecord(
        claim_id=claim_id, at=at, watermark=0, registry_position=0, events=(PositionNoted(at=at),)
    )


def notes_of(folded: Folded) -> list[int]:
    """What was folded, without the claims."""
    return [record.at for _, record in folded if isinstance(record.events[0], PositionNoted)]


class OwnedAcks:
    """Sinks that remember what they were told."""

    def __init__(self) -> None:
        self.outcomes: list[int | AppendFault] = []
        self._changed = asyncio.Event()

    def __call__(self, outcome: int | AppendFault) -> None:
        self.outcomes.append(outcome)
        self._changed.set()

    async def wait_for(self, count: int) -> list[int | AppendFault]:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.outcomes) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.outcomes


async def claim(
    log: EventLog,
    claim_id: str,
    *,
    wrap: Callable[[PartitionLog], PartitionLog] = lambda partition: partition,
    append_deadline_ms: int = 10_000,
) -> tuple[OwnedJournal[JournalRecord], Folded]:
    folded: Folded = []
    owned = await claim_log(
        wrap(await log.open_partition("journal", 0)),
        JOURNAL_FORMAT,
        Takeover(decode_record, on_record=lambda offset, record: folded.append((offset, record))),
        owner="tester",
        claim_id=claim_id,
        append_deadline_ms=append_deadline_ms,
    )
    return owned, folded


async def append_notes(owned: OwnedJournal[JournalRecord], *times: int) -> list[int | AppendFault]:
    acks = OwnedAcks()
    for at in times:
        owned.append(note(owned.claim_id, at), acks)
    return await acks.wait_for(len(times))


async def test_a_claim_is_the_last_record_folded_and_its_offset_the_epoch(stage: LogStage) -> None:
    log = await stage.open()
    owned, folded = await claim(log, "first")
    assert owned.epoch == 0
    assert owned.next_offset == 1
    [(offset, record)] = folded
    assert offset == 0
    assert isinstance(record.events[0], PartitionClaimed)
    assert owned.claim_acked_boot_ms > 0


async def test_acks_come_in_order_and_say_what_the_writer_expected(stage: LogStage) -> None:
    owned, _ = await claim(await stage.open(), "first")
    assert owned.next_append_offset == 1
    assert await append_notes(owned, *range(200)) == list(range(1, 201))
    assert owned.next_offset == owned.next_append_offset == 201


async def test_a_successor_folds_what_its_predecessor_decided(stage: LogStage) -> None:
    owned, _ = await claim(await stage.open(), "first")
    await append_notes(owned, 10, 11, 12)
    await stage.close()
    successor, folded = await claim(await stage.open(), "second")
    assert notes_of(folded) == [10, 11, 12]
    assert successor.epoch == 4
    assert await append_notes(successor, 13) == [5]


async def test_a_zombie_is_fenced_and_what_it_wrote_is_void(stage: LogStage) -> None:
    log = await stage.open()
    zombie, _ = await claim(log, "zombie")
    await append_notes(zombie, 1)
    successor, folded = await claim(log, "successor")
    assert notes_of(folded) == [1]

    [outcome] = await append_notes(zombie, 666)
    assert isinstance(outcome, Fenced)
    [later] = await append_notes(zombie, 667)
    assert later is outcome

    # the successor meets the zombie's stray: it counts it and goes on
    [offset] = await append_notes(successor, 2)
    assert isinstance(offset, int)
    assert successor.void_count == 1
    _, folded = await claim(log, "auditor")
    assert notes_of(folded) == [1, 2]


async def test_every_reader_drops_and_counts_the_same_void_records(stage: LogStage) -> None:
    log = await stage.open()
    zombie, _ = await claim(log, "zombie")
    successor, _ = await claim(log, "successor")
    await append_notes(zombie, 666)
    await append_notes(successor, 2)
    reader = JournalReader()
    partition = await log.open_partition("journal", 0)
    valid = [reader.feed(offset, value) for offset, value in await read_all(partition)]
    assert [record is None for record in valid] == [False, False, True, False]
    assert reader.void_count == 1
    assert reader.claim_id == "successor"
    assert reader.epoch == 1
    assert reader.next_offset == 4


async def test_two_claimers_at_once_leave_one_owner(stage: LogStage) -> None:
    log = await stage.open()
    claimed = await asyncio.gather(claim(log, "one"), claim(log, "other"))
    first, second = sorted((owned for owned, _ in claimed), key=lambda owned: owned.epoch)
    [lost] = await append_notes(first, 1)
    assert isinstance(lost, Fenced)
    [won] = await append_notes(second, 2)
    assert isinstance(won, int)
    _, folded = await claim(log, "auditor")
    assert notes_of(folded) == [2]


async def test_a_stream_of_strays_does_not_stop_the_owner(stage: LogStage) -> None:
    log = await stage.open()
    owned, _ = await claim(log, "owner")
    stray_writer = await log.open_partition("journal", 0)
    for at in range(20):
        await append_all(stray_writer, encode_record(note("gone", 1000 + at)))
        [offset] = await append_notes(owned, at)
        assert isinstance(offset, int)
    assert owned.void_count == 20
    _, folded = await claim(log, "auditor")
    assert notes_of(folded) == list(range(20))


async def test_strays_between_many_appends_in_flight_are_counted_and_order_kept(
    stage: LogStage,
) -> None:
    log = await stage.open()
    owned, _ = await claim(log, "owner")
    stray_writer = await log.open_partition("journal", 0)
    strays, outcomes = await asyncio.gather(
        append_all(stray_writer, *[encode_record(note("gone", n)) for n in range(100)]),
        append_notes(owned, *range(200)),
    )
    offsets = [offset for offset in outcomes if isinstance(offset, int)]
    assert len(offsets) == 200
    assert offsets == sorted(offsets)
    assert not set(offsets) & set(strays)
    _, folded = await claim(log, "auditor")
    assert notes_of(folded) == list(range(200))


class LostAcks:
    """A partition whose appends land while their acks get lost on the way, from one on."""

    def __init__(self, partition: PartitionLog, keep_count: int) -> None:
        self._partition = partition
        self._keep_count = keep_count

    def append(
        self,
        value: bytes,
        sink: AppendSink,
        *,
        key: bytes = b"",
        event_id: str = "",
        traceparent: str = "",
    ) -> None:
        self._keep_count -= 1
        heard = self._keep_count >= 0
        self._partition.append(
            value,
            sink if heard else lambda _outcome: None,
            key=key,
            event_id=event_id,
            traceparent=traceparent,
        )

    async def read(self, offset: int, *, count_max: int, wait_ms: int) -> list[StoredRecord]:
        return await self._partition.read(offset, count_max=count_max, wait_ms=wait_ms)

    async def end(self) -> int:
        return await self._partition.end()

    async def close(self) -> None:
        await self._partition.close()


async def test_a_lost_ack_ends_the_claim_and_the_next_one_finds_the_record(stage: LogStage) -> None:
    log = await stage.open()
    owned, _ = await claim(
        log, "deaf", wrap=lambda partition: LostAcks(partition, 2), append_deadline_ms=1_500
    )
    outcomes = await append_notes(owned, 1, 2, 3)
    assert outcomes[0] == 1
    assert [type(outcome) for outcome in outcomes[1:]] == [AppendUnknown, AppendUnknown]
    await owned.close()
    _, folded = await claim(log, "successor")
    assert notes_of(folded) == [1, 2, 3]


async def test_a_claim_without_an_ack_is_unknown(stage: LogStage) -> None:
    log = await stage.open()
    with pytest.raises(AppendUnknown):
        await claim(
            log, "deaf", wrap=lambda partition: LostAcks(partition, 0), append_deadline_ms=50
        )
    owned, folded = await claim(log, "successor")
    assert isinstance(owned.epoch, int)
    assert folded[-1][0] == owned.epoch


async def test_a_claim_on_a_closed_partition_is_refused(stage: LogStage) -> None:
    log = await stage.open()
    partition = await log.open_partition("journal", 0)
    await partition.close()
    with pytest.raises((AppendRefused, LogUnavailable)):  # it may not even be read
        await claim_log(
            partition,
            JOURNAL_FORMAT,
            Takeover(decode_record, on_record=lambda _offset, _record: None),
            owner="tester",
            claim_id="late",
            append_deadline_ms=1_000,
        )


async def test_giving_up_a_partition_tells_who_waits_that_the_outcome_is_unknown(
    stage: LogStage,
) -> None:
    owned, _ = await claim(await stage.open(), "owner")
    acks = OwnedAcks()
    owned.append(note("owner", 1), acks)
    await owned.close()
    [outcome] = await acks.wait_for(1)
    assert isinstance(outcome, AppendUnknown)
