"""Each way in which an append can go wrong, step by step on the twin; the rest: tests/contracts."""

import asyncio

import pytest

from switch.adapters.owned_journal import claim_log, follow_log
from switch.domain.clock import Now
from switch.eventlog.claims import JOURNAL_FORMAT
from switch.eventlog.journal import (
    JournalRecord,
    PartitionClaimed,
    PositionNoted,
    decode_record,
    encode_record,
)
from switch.eventlog.journal_place import JournalPlace
from switch.eventlog.memory_log import MemoryLog
from switch.eventlog.port import AppendRefused, AppendUnknown, Fenced, LogUnavailable
from switch.eventlog.takeover import Takeover

DEADLINE_MS = 10_000


def record(claim_id, event):
    return JournalRecord(claim_id=claim_id, at=1, watermark=0, registry_position=0, events=(event,))


def note(claim_id, at=1):
    return record(claim_id, PositionNoted(at=at))


def claim(claim_id):
    return record(claim_id, PartitionClaimed(owner="o", claim_id=claim_id, at=1))


class Stage:
    """One owner over the twin; `writer` is its end of the log, within reach."""

    def __init__(self):
        self.now = Now(1_000, 0)
        self.log = MemoryLog(1, call_soon=asyncio.get_running_loop().call_soon)
        self.folded = []
        self.outcomes = []

    async def claim(self, claim_id="own", deadline_ms=DEADLINE_MS):
        self.writer = await self.log.open_partition("journal", 0)
        self.partition = self.writer.partition
        self.takeover = Takeover(
            decode_record, on_record=lambda offset, found: self.folded.append((offset, found))
        )
        self.owned = await claim_log(
            self.writer,
            JOURNAL_FORMAT,
            self.takeover,
            owner="tester",
            claim_id=claim_id,
            append_deadline_ms=deadline_ms,
            clock=lambda: self.now,
        )
        return self.owned

    def append(self, count=1):
        for _ in range(count):
            self.owned.append(note("own"), self.outcomes.append)

    async def settle(self):
        """Let everything happen that can happen without time passing."""
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    if hasattr(stage, "owned"):
        await stage.owned.close()


def kinds(outcomes):
    return [o if isinstance(o, int) else type(o) for o in outcomes]


async def test_the_claim_waits_for_no_one_who_is_void(stage):
    await stage.claim("first")
    stage.partition.put(encode_record(note("first", at=5)))
    stage.partition.put(encode_record(note("stray", at=6)))
    owned = await stage.claim()
    assert owned.epoch == 3
    assert owned.void_count == 1
    assert [offset for offset, _ in stage.folded] == [0, 0, 1, 3]


async def test_what_was_folded_before_the_claim_is_not_read_again(stage):
    await stage.claim("first")
    stage.partition.put(encode_record(note("first", at=5)))
    read, offsets = stage.writer.read, []

    async def watch(offset, *, count_max, wait_ms):
        offsets.append(offset)
        return await read(offset, count_max=count_max, wait_ms=wait_ms)

    takeover = Takeover(decode_record, on_record=lambda *_: None)
    await follow_log(stage.writer, takeover)
    assert (takeover.next_offset, takeover.owner) == (2, "tester")
    stage.writer.read = watch
    owned = await claim_log(
        stage.writer,
        JOURNAL_FORMAT,
        takeover,
        owner="next",
        claim_id="second",
        append_deadline_ms=DEADLINE_MS,
    )
    assert offsets == [2]
    assert (owned.epoch, takeover.owner) == (2, "next")


async def test_who_begins_behind_the_claim_in_force_still_learns_its_owner(stage):
    await stage.claim("first")
    stage.partition.put(encode_record(note("first", at=5)))
    place = JournalPlace(next_offset=1, claim_id="first", epoch=0, claims=((0, "first"),))
    takeover = Takeover(decode_record, on_record=lambda *_: None, place=place)
    assert takeover.lacks_owner
    await follow_log(stage.writer, takeover)
    assert (takeover.owner, takeover.next_offset) == ("tester", 2)


async def test_gaps_in_the_offsets_are_no_gap_in_the_claim(stage):
    await stage.claim("first")
    stage.partition.skip(7)
    owned = await stage.claim()
    assert (owned.epoch, owned.next_offset) == (8, 9)


async def test_acks_behind_a_gap_wait_until_it_was_read(stage):
    await stage.claim()
    stage.partition.put(encode_record(note("gone")))
    stage.append(3)
    await stage.settle()
    assert stage.outcomes == [2, 3, 4]
    assert stage.owned.void_count == 1


async def test_a_gap_without_records_is_no_reason_to_stop(stage):
    await stage.claim()
    stage.partition.skip(3)
    stage.append(2)
    await stage.settle()
    assert stage.outcomes == [4, 5]
    assert (stage.owned.void_count, stage.owned.gap_count) == (0, 1)


async def test_while_a_gap_is_read_it_says_that_offsets_cannot_be_foreseen(stage):
    await stage.claim()
    assert not stage.owned.is_reading_gap
    real, may_read = stage.writer.read, asyncio.Event()

    async def read(offset, *, count_max, wait_ms):
        await may_read.wait()
        return await real(offset, count_max=count_max, wait_ms=wait_ms)

    stage.writer.read = read
    stage.partition.skip(3)
    stage.append(1)
    await stage.settle()
    assert stage.owned.is_reading_gap
    assert stage.owned.next_append_offset == 2, "it lies at 4"
    may_read.set()
    await stage.settle()
    assert not stage.owned.is_reading_gap
    assert stage.owned.next_append_offset == 5


async def test_a_foreign_claim_in_the_gap_fences_everything_outstanding(stage):
    await stage.claim()
    stage.append()
    await stage.settle()
    stage.partition.put(encode_record(note("gone")))
    stage.partition.put(encode_record(claim("thief")))
    stage.append(3)
    await stage.settle()
    assert kinds(stage.outcomes) == [1, Fenced, Fenced, Fenced]
    stage.append()
    await stage.settle()
    assert stage.outcomes[-1] is stage.outcomes[1]
    assert stage.owned.failure is stage.outcomes[1]


async def test_a_lower_offset_than_expected_is_unknown(stage):
    await stage.claim()
    stage.append(2)
    await stage.settle()
    stage.partition.next_offset = 1  # the log forgot what it had acknowledged
    stage.append()
    await stage.settle()
    assert kinds(stage.outcomes) == [1, 2, AppendUnknown]


async def test_a_record_of_ours_that_landed_twice_is_unknown(stage):
    await stage.claim()
    stage.writer.doubled_count = 1
    stage.append(2)
    await stage.settle()
    assert kinds(stage.outcomes) == [AppendUnknown, AppendUnknown]


async def test_a_gap_that_cannot_be_decoded_is_unknown(stage):
    await stage.claim()
    stage.partition.put(b"from the future")
    stage.append()
    await stage.settle()
    assert kinds(stage.outcomes) == [AppendUnknown]
    assert "cannot be judged" in str(stage.outcomes[0])


@pytest.mark.parametrize("failure", [AppendRefused("full"), AppendUnknown("no ack")])
async def test_the_logs_failure_is_everybodys(stage, failure):
    await stage.claim()
    stage.writer.failure = failure
    stage.append(3)
    await stage.settle()
    assert stage.outcomes == [failure] * 3


async def test_no_ack_within_the_deadline_on_the_boot_clock_is_unknown(stage):
    await stage.claim(deadline_ms=20)
    stage.writer.is_held = True
    stage.append(2)
    stage.now = Now(1_000, 19)
    async with asyncio.timeout(10):
        await asyncio.sleep(0.05)
        assert stage.outcomes == []  # 50 ms have passed, but not on the clock that counts
        stage.now = Now(1_000, 21)
        while stage.owned.failure is None:  # noqa: ASYNC110 - nothing tells of a time-out
            await asyncio.sleep(0.001)
    assert kinds(stage.outcomes) == [AppendUnknown, AppendUnknown]
    stage.writer.is_held = False
    stage.log.pump()
    assert len(stage.outcomes) == 2  # what the log says later is not heard any more


async def test_an_ack_in_time_stops_the_deadline(stage):
    await stage.claim(deadline_ms=1)
    stage.append()
    await stage.settle()
    stage.now = Now(1_000, 10_000)
    await asyncio.sleep(0.01)
    assert stage.outcomes == [1]
    assert stage.owned.failure is None


async def test_a_clock_that_stood_still_looks_again(stage):
    await stage.claim(deadline_ms=5)
    stage.writer.is_held = True
    stage.append()
    await asyncio.sleep(0.02)
    stage.writer.is_held = False
    stage.log.pump()
    assert stage.outcomes == [1]


async def test_an_acked_claim_that_is_not_there_is_unknown(stage):
    stage.log.partitions.clear()
    writer = await stage.log.open_partition("journal", 0)
    writer.partition.put(encode_record(claim("other")))
    original_put = writer.partition.put
    writer.partition.put = lambda _value: original_put(encode_record(claim("other")))
    with pytest.raises(AppendUnknown, match="is not there"):
        await claim_own(writer, append_deadline_ms=DEADLINE_MS)


async def test_an_acked_claim_that_cannot_be_read_does_not_wait_for_ever(stage):
    writer = await stage.log.open_partition("journal", 0)

    async def read_nothing(_offset, *, count_max, wait_ms):
        assert count_max > 0
        assert wait_ms > 0
        return []

    writer.read = read_nothing
    with pytest.raises(LogUnavailable, match="nothing can be read from offset 0"):
        await claim_own(writer, append_deadline_ms=1_000)


async def test_a_sink_that_raises_does_not_keep_others_from_the_failure(stage):
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, report: reported.append(report))
    await stage.claim()

    def broken(_outcome):
        raise RuntimeError("a bug")

    stage.writer.failure = AppendRefused("full")
    stage.owned.append(note("own"), broken)
    stage.append()
    await stage.settle()
    assert kinds(stage.outcomes) == [AppendRefused]
    assert len(reported) == 1


async def test_a_record_under_another_claim_is_a_bug(stage):
    await stage.claim()
    with pytest.raises(AssertionError, match="its writer's claim"):
        stage.owned.append(note("other"), stage.outcomes.append)


async def test_the_next_offset_is_known_before_the_append(stage):
    await stage.claim()
    stage.writer.is_held = True
    stage.append(4)
    assert (stage.owned.next_offset, stage.owned.next_append_offset) == (1, 5)


async def claim_own(writer, append_deadline_ms):
    takeover = Takeover(decode_record, on_record=lambda _offset, _record: None)
    return await claim_log(
        writer,
        JOURNAL_FORMAT,
        takeover,
        owner="o",
        claim_id="own",
        append_deadline_ms=append_deadline_ms,
    )


async def test_a_log_that_has_become_shorter_is_not_followed(stage):
    await stage.claim()
    takeover = Takeover(decode_record, on_record=lambda *_: None)
    await follow_log(stage.writer, takeover, known_end=1)
    takeover = Takeover(decode_record, on_record=lambda *_: None)
    with pytest.raises(LogUnavailable, match="ends at 1, but 2 records were in it"):
        await follow_log(stage.writer, takeover, known_end=2)


async def test_who_has_nothing_to_append_sees_that_others_have_written_behind(stage):
    owned = await stage.claim()
    await owned.look_behind()
    stage.append(2)
    stage.writer.land()  # one of one's own, without its ack
    await owned.look_behind()
    await stage.settle()
    assert stage.outcomes == [1, 2]
    await owned.look_behind()
    stage.partition.put(encode_record(claim("other")))
    with pytest.raises(Fenced, match="behind offset 3"):
        await owned.look_behind()
