import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from switch.adapters.clock import read_boot_ms
from switch.adapters.telemetry import make_telemetry
from switch.apps.registry_follower import RegistryFollower
from switch.domain.registry.entities import Agent, AgentStatus
from switch.domain.registry.events import AgentChanged, AgentRegistered, RegistryEvent
from switch.eventlog.journal import PartitionClaimed, UnknownEvent
from switch.eventlog.memory_log import MemoryLog, MemoryPartition
from switch.eventlog.port import LogUnavailable, StoredRecord
from switch.eventlog.registry_record import RegistryRecord, encode_registry_record

DEADLINE_S = 60.0


def agent(name: str) -> Agent:
    return Agent(agent_id="a1", name=name, status=AgentStatus.ACTIVE)


def claim(claim_id: str) -> bytes:
    event = PartitionClaimed(owner="test", claim_id=claim_id, at=0)
    return encode_registry_record(
        RegistryRecord(claim_id=claim_id, at=0, actor="test", events=(event,))
    )


def change(claim_id: str, event: RegistryEvent) -> bytes:
    return encode_registry_record(
        RegistryRecord(claim_id=claim_id, at=0, actor="test", events=(event,))
    )


class Stage:
    def __init__(self) -> None:
        self.log = MemoryLog(1, call_soon=asyncio.get_running_loop().call_soon, sleep=asyncio.sleep)
        self.partition = self.log.partitions.setdefault(("registry", 0), MemoryPartition())
        self.telemetry = make_telemetry("test")
        self.follower = RegistryFollower(
            self.log, poll_wait_ms=20, staleness_max_ms=1_000, telemetry=self.telemetry
        )

    def name_of_agent(self) -> str:
        found = self.follower.view.find_agent("a1")
        return found.name if found else ""

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - any condition, with a deadline
                await asyncio.sleep(0.005)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    await made.follower.stop()


async def test_what_is_in_the_log_is_in_the_view_once_it_started(stage: Stage) -> None:
    stage.partition.put(claim("c1"))
    stage.partition.put(change("c1", AgentRegistered(agent=agent("first"))))
    await stage.follower.start()
    assert stage.name_of_agent() == "first"
    assert stage.follower.position == stage.follower.view.position == 2


async def test_a_later_change_arrives_by_itself(stage: Stage) -> None:
    stage.partition.put(claim("c1"))
    stage.partition.put(change("c1", AgentRegistered(agent=agent("first"))))
    await stage.follower.start()
    stage.partition.put(change("c1", AgentChanged(agent=agent("second"))))
    async with asyncio.timeout(DEADLINE_S):
        await stage.follower.wait_for(3)
    assert stage.name_of_agent() == "second"


async def test_a_void_record_changes_nothing_but_the_position(stage: Stage) -> None:
    stage.partition.put(claim("c1"))
    stage.partition.put(claim("c2"))
    stage.partition.put(change("c1", AgentRegistered(agent=agent("stray"))))
    await stage.follower.start()
    assert stage.name_of_agent() == ""
    assert stage.follower.view.position == 3


async def test_a_view_that_is_at_the_end_is_confirmed_again_and_again(stage: Stage) -> None:
    assert not stage.follower.is_confirmed(read_boot_ms())
    assert stage.telemetry.readiness.reasons() == {"registry": "reading the registry log"}
    await stage.follower.start()
    await stage.until(lambda: stage.follower.is_confirmed(read_boot_ms()))
    first = stage.follower.confirmed_boot_ms
    await stage.until(lambda: stage.follower.confirmed_boot_ms > first)
    assert stage.telemetry.readiness.reasons() == {}


async def test_who_cannot_wait_for_the_next_read_asks_for_the_end(stage: Stage) -> None:
    stage.follower._poll_wait_ms = 60_000
    await stage.follower.confirm()
    assert stage.follower.confirmed_boot_ms < 0  # it does not follow yet
    await stage.follower.start()
    asked_at = read_boot_ms()
    await stage.follower.confirm()
    assert stage.follower.confirmed_boot_ms >= asked_at
    before, stage.follower.confirmed_boot_ms = stage.follower.confirmed_boot_ms, 0
    stage.partition.next_offset += 1  # more than was read
    await stage.follower.confirm()
    assert stage.follower.confirmed_boot_ms == 0 < before


async def test_a_view_that_a_pause_made_too_old_is_fresh_again_before_it_is_used(
    stage: Stage,
) -> None:
    stage.follower._poll_wait_ms = 60_000
    await stage.follower.start()
    stage.follower.confirmed_boot_ms = read_boot_ms() - 1_500  # as if nothing had run meanwhile
    await stage.follower.refresh()
    assert stage.follower.is_confirmed(read_boot_ms())


async def test_a_registry_log_that_is_away_delays_one_request_and_not_every_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.follower._poll_wait_ms = 60_000
    await stage.follower.start()
    stage.follower.confirmed_boot_ms = read_boot_ms() - 1_500
    asked = 0

    async def hang() -> int:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(stage.log.writers[0], "end", hang)
    async with asyncio.timeout(DEADLINE_S):
        await stage.follower.refresh()
        await stage.follower.refresh()
    assert asked == 1
    assert not stage.follower.is_confirmed(read_boot_ms())


async def test_a_read_that_a_pause_cut_in_two_takes_no_later_confirmation_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.follower.start()
    begun_at: list[int] = []
    known: list[int] = []  # when each read began: how fresh the view was
    goes_on = asyncio.Event()

    async def read_slowly(*_args: object, **_options: object) -> list[StoredRecord]:
        begun_at.append(read_boot_ms())
        known.append(stage.follower.confirmed_boot_ms)
        await goes_on.wait()
        goes_on.clear()
        return []

    monkeypatch.setattr(stage.log.writers[0], "read", read_slowly)
    await stage.until(lambda: bool(begun_at) and read_boot_ms() > begun_at[0] + 10)
    await stage.follower.confirm()
    confirmed = stage.follower.confirmed_boot_ms
    assert confirmed > begun_at[0]
    goes_on.set()
    await stage.until(lambda: len(begun_at) > 1)
    assert known[1] == confirmed


async def test_whatever_ends_the_following_is_a_fault_and_the_view_is_believed_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.partition.put(claim("c1"))
    await stage.follower.start()

    def break_off(*_args: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(stage.follower.view, "apply", break_off)
    stage.partition.put(change("c1", AgentRegistered(agent=agent("first"))))
    await stage.until(lambda: stage.follower.position == 2)
    stage.follower.confirmed_boot_ms = read_boot_ms() - 1_500
    await stage.follower.refresh()
    assert not stage.follower.is_confirmed(read_boot_ms())
    assert stage.telemetry.readiness.reasons() == {
        "registry": "following the registry ended (KeyError): start this process again"
    }


async def test_a_log_whose_last_offsets_hold_no_record_is_read_to_its_end(stage: Stage) -> None:
    stage.partition.put(claim("c1"))
    stage.partition.next_offset += 1
    async with asyncio.timeout(DEADLINE_S):
        await stage.follower.start()
        await stage.until(lambda: stage.follower.is_confirmed(read_boot_ms()))


async def test_a_log_that_cannot_be_read_lets_the_view_age(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.follower.start()
    await stage.until(lambda: stage.follower.is_confirmed(read_boot_ms()))

    async def fail(*_args: object, **_options: object) -> list[StoredRecord]:
        raise LogUnavailable("the disk is away")

    with monkeypatch.context() as patched:
        patched.setattr(stage.log.writers[0], "read", fail)
        await stage.until(lambda: bool(stage.follower.fault))
        aged = stage.follower.confirmed_boot_ms
        assert stage.telemetry.readiness.reasons() == {"registry": "the disk is away"}
        assert not stage.follower.is_confirmed(aged + 1_001)
    await stage.until(lambda: stage.follower.confirmed_boot_ms > aged)
    assert stage.telemetry.readiness.reasons() == {}


async def test_a_partition_that_was_closed_underneath_is_opened_anew(stage: Stage) -> None:
    stage.partition.put(claim("c1"))
    await stage.follower.start()
    await stage.until(lambda: stage.follower.is_confirmed(read_boot_ms()))

    async def fail(*_args: object, **_options: object) -> list[StoredRecord]:
        raise LogUnavailable("the writing process ended")

    stage.log.writers[0].read = fail  # type: ignore[method-assign] - for good, as after a kill
    stage.partition.put(change("c1", AgentRegistered(agent=agent("first"))))
    async with asyncio.timeout(DEADLINE_S):
        await stage.follower.wait_for(2)
    assert stage.name_of_agent() == "first"
    assert stage.telemetry.readiness.reasons() == {}


async def test_a_record_of_a_newer_program_stops_the_start(stage: Stage) -> None:
    stage.partition.put(b'{"claim_id":"x","at":1,"actor":"x","events":[{"type":"future.v9"}]}')
    with pytest.raises(UnknownEvent):
        await stage.follower.start()


async def test_such_a_record_later_stops_the_following_and_says_so(stage: Stage) -> None:
    await stage.follower.start()
    stage.partition.put(b"{}")
    await stage.until(lambda: bool(stage.follower.fault))
    assert "cannot read a record" in stage.telemetry.readiness.reasons()["registry"]
