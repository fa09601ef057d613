import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from loadtest.generated_journal import JournalMaker
from switch.adapters.kafka_snapshots import SnapshotTopic
from switch.adapters.snapshot_folder import SnapshotFolder
from switch.adapters.telemetry import make_telemetry
from switch.apps.log_settings import SnapshotSettings
from switch.apps.snapshots import SnapshotKeeper, make_snapshot_keeper
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.journal_place import JournalPlace
from switch.eventlog.journal_reader import JournalReader
from switch.eventlog.memory_log import MemoryLog, MemoryPartition, MemoryWriter
from switch.eventlog.port import LogUnavailable
from switch.handlers.book import PartitionBook
from tests.switch.apps.conftest import RunningInstance

RULES = DecisionRules()
DEADLINE_S = 60


class Stand:
    """A journal, its book, and a keeper over a folder; a second process is a second stand."""

    def __init__(self, directory, *, seed=1, rules=RULES, side=None, **settings):
        self.told = LogCapture()
        self.telemetry = make_telemetry("handler")._replace(
            log=structlog.wrap_logger(structlog.PrintLogger(), processors=[self.told])
        )
        self.folder = SnapshotFolder(directory)
        self.folder.prepare()
        self.directory = directory
        self.keeper = SnapshotKeeper(
            settings=SnapshotSettings(interval_record_count=1_000, **settings),
            partition_count=4,
            rules=rules,
            folder=self.folder,
            topic=SnapshotTopic(side) if side else None,
            code_digest="this code",
            telemetry=self.telemetry,
        )
        self.log = MemoryLog(4)
        self.stored = MemoryPartition()
        self.maker = JournalMaker(1, seed, trouble=0.0)
        self.reader = JournalReader()
        self.book = PartitionBook(1, 4, rules)
        self.void_count = 0

    def decide(self, count):
        """Fold, and make durable; the acks come when the test says so."""
        for value in self.maker.make(count):
            record = self.reader.feed(self.stored.put(value), value)
            self.book.apply(record)

    def place(self):
        return JournalPlace(
            next_offset=self.reader.next_offset,
            claim_id=self.reader.claim_id,
            epoch=self.reader.epoch,
            void_count=self.void_count,
            claims=((self.reader.epoch, self.reader.claim_id),),
        )

    def note(self, acked=None):
        acked = self.reader.next_offset if acked is None else acked
        self.keeper.note_acked(1, acked_next_offset=acked, book=self.book, place_of=self.place)

    async def take(self):
        """Let a snapshot be taken of what there is."""
        before = self.count("written")
        self.note()
        await self.wait_for(lambda: self.count("written") == before + 1)

    async def load(self, stored=None):
        return await self.keeper.load(1, MemoryWriter(self.log, stored or self.stored))

    def count(self, outcome):
        counter = self.telemetry.metrics.counter("switch_snapshots_total")
        return counter.labels(outcome)._value.get()

    def reasons(self):
        return [entry["reason"] for entry in self.told.entries if "reason" in entry]

    async def wait_for(self, is_true):
        deadline = time.monotonic() + DEADLINE_S
        while not is_true():
            assert time.monotonic() < deadline, self.told.entries
            await asyncio.sleep(0.01)

    def files(self):
        return sorted(path.name for path in self.directory.iterdir())


def list_children():
    """List the children of this process, ended ones that nobody has asked after included."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return {pid for task in tasks for pid in (task / "children").read_text().split()}


@pytest.fixture
async def stand(tmp_path):
    stand = Stand(tmp_path)
    yield stand
    await stand.keeper.stop()


async def test_one_is_taken_when_enough_was_recorded_and_found_again(stand, tmp_path):
    stand.decide(999)
    stand.note()
    assert stand.files() == []
    stand.decide(1)
    await stand.take()
    assert stand.keeper.newest_offset(1) == 1_000
    assert stand.files() == ["01-000000000001000.snapshot"]
    place, book = await Stand(tmp_path).load(stand.stored)
    assert place == stand.place()
    assert book == stand.book


async def test_the_next_one_is_taken_after_the_next_interval(stand):
    stand.decide(1_500)
    await stand.take()
    stand.decide(900)
    stand.note()
    assert stand.count("written") == 1
    stand.decide(100)
    await stand.take()
    assert [one.next_offset for one in stand.folder.list(1)] == [2_500, 1_500]


async def test_one_is_taken_after_its_time_if_there_is_anything_new(tmp_path):
    stand = Stand(tmp_path, interval_ms=1_000)
    stand.decide(5)
    await stand.wait_for(lambda: stand.note() or stand.count("written") == 1)
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        stand.note()
        await asyncio.sleep(0.05)
    assert stand.count("written") == 1
    await stand.keeper.stop()


async def test_it_holds_what_was_folded_at_the_fork_and_nothing_later(stand, tmp_path):
    stand.decide(1_000)
    stand.note()
    expected = stand.place()
    stand.decide(300)
    stand.note()
    await stand.wait_for(lambda: stand.count("written") == 1)
    other = Stand(tmp_path)
    place, book = await other.load(stand.stored)
    assert place == expected
    reader = JournalReader(place)
    for offset, value in stand.stored.records[place.next_offset :]:
        book.apply(reader.feed(offset, value))
    assert book == stand.book


async def test_it_does_not_count_before_all_in_it_is_acknowledged(stand):
    stand.decide(1_200)
    stand.note(acked=1_100)
    await stand.wait_for(lambda: stand.keeper._taken[1].is_written)
    stand.note(acked=1_199)
    assert stand.count("written") == 0
    assert stand.keeper.newest_offset(1) == -1
    stand.note(acked=1_200)
    assert stand.count("written") == 1


async def test_it_does_not_count_if_something_foreign_came_between(stand):
    stand.decide(1_200)
    stand.note(acked=1_100)
    stand.void_count += 1
    stand.note(acked=1_201)
    assert stand.count("discarded") == 1
    await stand.wait_for(lambda: stand.keeper._writing is None)
    assert stand.files() == []


async def test_it_does_not_count_under_another_claim(stand):
    stand.decide(1_200)
    stand.note(acked=1_100)
    stand.reader.claim_id, stand.reader.epoch = "another claim", 1_150
    stand.note(acked=1_200)
    assert stand.count("discarded") == 1
    await stand.wait_for(lambda: stand.keeper._writing is None)
    assert stand.files() == []


@pytest.mark.parametrize("is_begun", [False, True])
async def test_of_a_partition_that_was_lost_nothing_is_left(stand, is_begun):
    stand.decide(1_200)
    before = list_children()
    stand.note(acked=1_100)
    assert len(list_children() - before) == 1
    writer = stand.keeper._writing
    if is_begun:
        await stand.wait_for(stand.files)
    stand.keeper.forget(1)
    await asyncio.wait({writer}, timeout=DEADLINE_S)
    await stand.wait_for(lambda: stand.keeper._writing is None)
    assert stand.files() == []
    assert stand.count("discarded") == 1
    assert list_children() <= before
    stand.keeper.forget(1)


async def test_none_is_begun_while_a_stuck_disk_holds_the_child_of_the_last_one(stand, monkeypatch):
    stand.decide(1_200)
    stand.note(acked=1_100)
    with monkeypatch.context() as stuck:
        stuck.setattr(os, "waitpid", lambda *_: (0, 0))
        stand.keeper.forget(1)
        await stand.wait_for(lambda: stand.keeper._writing is None)
        stand.decide(1_200)
        stand.note()
        assert stand.keeper._writing is None
    await stand.wait_for(lambda: stand.keeper._child.is_gone)
    await stand.take()


async def test_a_book_that_snapshots_do_not_know_is_told_and_nothing_is_left(stand):
    stand.book.tills._new = 1
    stand.decide(1_000)
    stand.note()
    await stand.wait_for(lambda: stand.count("failed") == 1)
    assert stand.files() == []
    assert stand.reasons() == ["a fault in this program"]
    stand.note()
    assert stand.keeper._writing is None  # the next one comes in its time


async def test_a_folder_that_is_gone_stops_nothing(stand):
    stand.directory.rmdir()
    stand.decide(1_000)
    stand.note()
    await stand.wait_for(lambda: stand.count("failed") == 1)
    assert stand.reasons() == ["No such file or directory"]


async def test_one_that_is_torn_makes_way_for_the_one_before(stand, tmp_path):
    stand.decide(1_000)
    await stand.take()
    stand.decide(1_000)
    await stand.take()
    newest = stand.folder.list(1)[0].path
    newest.write_bytes(newest.read_bytes()[:-40])
    other = Stand(tmp_path)
    place, _ = await other.load(stand.stored)
    assert place.next_offset == 1_000
    assert other.reasons() == ["its end is missing"]
    assert not newest.exists()


async def test_where_there_is_none_there_is_none(stand):
    assert await stand.load() is None


async def test_one_of_other_rules_is_not_used(stand, tmp_path):
    stand.decide(1_000)
    await stand.take()
    other = Stand(tmp_path, rules=DecisionRules(refund_days=30))
    assert await other.load(stand.stored) is None
    assert other.reasons() == ["it is of another set of decision rules"]


async def test_one_of_another_journal_is_not_used(stand, tmp_path):
    stand.decide(1_000)
    await stand.take()
    other = Stand(tmp_path, seed=2)
    other.decide(1_500)
    assert await other.load() is None
    assert other.reasons() == ["it is of another journal"]


async def test_one_of_a_journal_that_was_cut_is_not_used(stand, tmp_path):
    stand.decide(1_000)
    await stand.take()
    other = Stand(tmp_path)
    other.decide(900)
    assert await other.load() is None
    other.decide(99)
    stand.decide(1_000)
    await stand.take()
    assert await other.load() is None


# -- the topic


class SideLog:
    """A topic of snapshots in memory."""

    partition_count = 4

    def __init__(self):
        self.stored = MemoryPartition()
        loop = asyncio.get_running_loop()
        self._log = MemoryLog(4, call_soon=loop.call_soon, sleep=asyncio.sleep)

    async def open_partition(self, _log, _partition):
        self._log.writers.append(MemoryWriter(self._log, self.stored))
        return self._log.writers[-1]


async def test_a_handler_elsewhere_finds_it_in_the_topic(tmp_path):
    side = SideLog()
    stand = Stand(tmp_path / "here", side=side)
    stand.decide(1_000)
    await stand.take()
    await stand.wait_for(lambda: stand.count("sent") == 1)
    elsewhere = Stand(tmp_path / "there", side=side)
    place, book = await elsewhere.load(stand.stored)
    assert (place, book) == (stand.place(), stand.book)


async def test_the_newer_of_folder_and_topic_is_taken(tmp_path):
    side = SideLog()
    stand, there = Stand(tmp_path / "here", side=side), Stand(tmp_path / "there", side=side)
    stand.decide(1_000)
    await stand.take()
    await stand.wait_for(lambda: stand.count("sent") == 1)
    there.decide(2_000)
    await there.take()
    await there.wait_for(lambda: there.count("sent") == 1)
    again = Stand(tmp_path / "here", side=side)
    assert (await again.load(there.stored)).place.next_offset == 2_000
    own = Stand(tmp_path / "there", side=side)
    side.stored.records[1:-1] = []  # none of it is needed
    assert (await own.load(there.stored)).place.next_offset == 2_000


async def test_where_a_newer_set_is_torn_an_older_file_is_taken(tmp_path):
    side = SideLog()
    stand, there = Stand(tmp_path / "here", side=side), Stand(tmp_path / "there", side=side)
    stand.decide(1_000)
    await stand.take()
    await stand.wait_for(lambda: stand.count("sent") == 1)
    there.decide(2_000)
    await there.take()
    await there.wait_for(lambda: there.count("sent") == 1)
    newest = await SnapshotTopic(side).find(1)
    side.stored.records = [
        record for record in side.stored.records if record.offset != newest.manifest.first_offset
    ]
    again = Stand(tmp_path / "here", side=side)
    assert (await again.load(there.stored)).place.next_offset == 1_000
    [reason] = again.reasons()
    assert reason.startswith("chunk 0")


async def test_a_set_of_no_use_is_replaced_by_the_next_one_although_that_goes_less_far(tmp_path):
    side = SideLog()
    other = Stand(tmp_path / "other", side=side, seed=2)
    other.decide(3_000)
    await other.take()
    await other.wait_for(lambda: other.count("sent") == 1)
    stand = Stand(tmp_path / "here", side=side)
    stand.decide(4_000)
    assert await stand.load() is None
    assert stand.reasons() == ["it is of another journal"]
    shorter = Stand(tmp_path / "here", side=side)
    shorter.decide(1_000)
    assert await shorter.load() is None
    await shorter.take()
    await shorter.wait_for(lambda: shorter.count("sent") == 1)
    assert (
        await Stand(tmp_path / "there", side=side).load(shorter.stored)
    ).place.next_offset == 1_000


async def test_one_that_cannot_be_checked_now_is_not_dropped(stand, tmp_path):
    stand.decide(1_000)
    await stand.take()
    other = Stand(tmp_path)
    writer = AwayWriter(other.log, stand.stored)
    assert await other.keeper.load(1, writer) is None
    assert other.reasons() == ["the log is away"]
    assert await other.load(stand.stored) is not None


class AwayWriter(MemoryWriter):
    async def read(self, *_place, **_bounds):
        raise LogUnavailable("the log is away")


async def test_a_topic_of_no_use_stops_nothing(tmp_path):
    side = SideLog()
    side.stored.put(b"something else")
    stand = Stand(tmp_path, side=side)
    stand.decide(1_000)
    await stand.take()
    await stand.wait_for(lambda: stand.count("not-sent") == 1)
    assert (await Stand(tmp_path, side=side).load(stand.stored)).place.next_offset == 1_000


async def test_a_keeper_is_made_from_settings(tmp_path):
    telemetry = make_telemetry("handler")

    def make(**settings):
        return make_snapshot_keeper(
            SnapshotSettings(**settings),
            data_directory=tmp_path,
            event_log=MemoryLog(4),
            rules=RULES,
            telemetry=telemetry,
        )

    assert make() is not None
    assert (tmp_path / "snapshots").is_dir()
    assert make(directory=str(tmp_path / "elsewhere")) is not None
    (tmp_path / "file").write_text("no folder")
    assert make(directory=str(tmp_path / "file")) is None


# -- with everything around it


async def test_a_switch_that_starts_again_begins_from_its_snapshot(tmp_path):
    async with run_switch(tmp_path) as first:
        status, paid = await first.pay("before")
        assert status == 201
        deadline, number = time.monotonic() + DEADLINE_S, 0
        while not read_counter(first, "written"):
            assert time.monotonic() < deadline
            number += 1
            assert (await first.pay(f"meanwhile-{number}"))[0] == 201
            await asyncio.sleep(0.1)
        assert (await first.pay("after"))[0] == 201
        left = first.partition_of_the_shop()
    async with run_switch(tmp_path) as again:
        assert read_counter(again, "loaded") >= 1
        found = again.partition_of_the_shop()
        assert found.index == left.index
        assert list_remembered(found) == list_remembered(left)
        [status] = [
            one for one in again.instance.handler.status() if one["partition"] == left.index
        ]
        assert status["snapshot_offset"] > 0
        assert await again.pay("before") == (201, paid)
        assert (await again.change("refunds", paid["rrn"], "refund", 100))[0] == 201


@contextlib.asynccontextmanager
async def run_switch(folder):
    running = RunningInstance(folder, **{"snapshots.interval_ms": 1_000})
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


def list_remembered(owned):
    """List what a partition remembers, but not when it last looked for what is due."""
    shelf = vars(owned.partition._book._shelf)
    return {name: part for name, part in shelf.items() if name != "_reminders"}


def read_counter(running, outcome):
    counter = running.telemetry.metrics.counter("switch_snapshots_total")
    return counter.labels(outcome)._value.get()
