import asyncio
from collections.abc import AsyncIterator

import pytest

from switch.adapters.telemetry import make_telemetry
from switch.apps import registrar
from switch.apps.registrar import RegistrarRole, RegistrarUnavailable
from switch.apps.registry_follower import RegistryFollower
from switch.eventlog.memory_log import MemoryLog
from switch.eventlog.port import AppendRefused, StoredRecord
from switch.registrar.registrar import RegistryRefused
from switch.security.keys import Keys
from switch.security.keystore import MemoryKeyStore

DEADLINE_S = 10.0
FILE = b"""
[[agents]]
agent_id = "root"
name = "Root"
status = "active"

[[agents]]
agent_id = "leaf"
name = "Leaf"
status = "active"
parent_id = "root"
"""


class Stage:
    def __init__(self) -> None:
        self.log = MemoryLog(1, call_soon=asyncio.get_running_loop().call_soon, sleep=asyncio.sleep)
        self.keys = Keys(MemoryKeyStore(), minute_key_lifetime_ms=60_000)
        self.telemetry = make_telemetry("test")
        self.follower = RegistryFollower(
            self.log, poll_wait_ms=20, staleness_max_ms=1_000, telemetry=self.telemetry
        )
        self.roles: list[RegistrarRole] = []

    def make_role(self, owner: str) -> RegistrarRole:
        role = RegistrarRole(
            owner=owner,
            event_log=self.log,
            follower=self.follower,
            keys=self.keys,
            telemetry=self.telemetry,
            append_deadline_ms=2_000,
            clear_keys_allowed=True,
        )
        self.roles.append(role)
        return role


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    await made.follower.start()
    yield made
    for role in made.roles:
        await role.stop()
    await made.follower.stop()


async def test_a_file_is_in_the_view_when_load_returns(stage: Stage) -> None:
    result = await stage.make_role("r1").load(FILE, "tester")
    assert result.change_count == 3  # two agents, and who loaded what
    assert [agent.agent_id for agent in stage.follower.view.agent_chain("leaf") or ()] == [
        "leaf",
        "root",
    ]


async def test_a_merchant_that_lacks_something_is_named_with_what_it_lacks(stage: Stage) -> None:
    file = b'[[merchants]]\nmerchant_id = "898110154110001"\nstatus = "draft"\nname = "Shop"\n'
    result = await stage.make_role("r1").load(file, "tester")
    lacking = ["mcc", "agent_id", "currency", "fee_plan", "settlement_account"]
    assert result.incomplete == {"898110154110001": lacking}


async def test_loading_it_again_changes_nothing(stage: Stage) -> None:
    role = stage.make_role("r1")
    first = await role.load(FILE, "tester")
    again = await role.load(FILE, "tester")
    assert (again.change_count, again.position) == (0, first.position)


async def test_a_file_with_an_error_is_refused_as_a_whole(stage: Stage) -> None:
    with pytest.raises(RegistryRefused) as caught:
        await stage.make_role("r1").load(
            FILE.replace(b'parent_id = "root"', b'parent_id = "nobody"'), "tester"
        )
    assert caught.value.problems
    assert stage.follower.view.list_entities("agents") == ()


async def test_two_registrars_take_turns_by_claiming(stage: Stage) -> None:
    first, second = stage.make_role("r1"), stage.make_role("r2")
    await first.load(FILE, "tester")
    await second.load(FILE.replace(b'"Leaf"', b'"Leaf 2"'), "tester")
    with pytest.raises(RegistrarUnavailable):
        await first.load(FILE.replace(b'"Leaf"', b'"Leaf 3"'), "tester")
    await first.load(FILE.replace(b'"Leaf"', b'"Leaf 3"'), "tester")
    agent = stage.follower.view.find_agent("leaf")
    assert agent is not None
    assert agent.name == "Leaf 3"


async def test_no_file_is_decided_on_before_the_view_holds_what_was_written_before(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    role, changed = stage.make_role("r1"), FILE.replace(b'"Leaf"', b'"Leaf 2"')
    await role.load(FILE, "tester")
    has_asked, can_read = asyncio.Event(), asyncio.Event()
    follower_log = stage.log.writers[0]
    read = follower_log.read

    async def read_later(offset: int, *, count_max: int, wait_ms: int) -> list[StoredRecord]:
        has_asked.set()
        await can_read.wait()
        return await read(offset, count_max=count_max, wait_ms=wait_ms)

    monkeypatch.setattr(follower_log, "read", read_later)
    await has_asked.wait()
    with monkeypatch.context() as hasty:
        hasty.setattr(registrar, "FOLD_DEADLINE_S", 0.1)
        with pytest.raises(RegistrarUnavailable, match="did not reach"):
            await role.load(changed, "tester")
    again = asyncio.create_task(role.load(changed, "tester"))
    async with asyncio.timeout(DEADLINE_S):
        while not role._turn.locked():  # noqa: ASYNC110 - the file is read in a thread
            await asyncio.sleep(0.001)
    can_read.set()
    assert (await again).change_count == 0


async def test_a_full_disk_is_told_and_the_next_load_goes_on(stage: Stage) -> None:
    role = stage.make_role("r1")
    await role.load(FILE, "tester")
    stage.log.writers[-1].failure = AppendRefused("disk full")
    with pytest.raises(RegistrarUnavailable, match="disk full"):
        await role.load(FILE.replace(b'"Leaf"', b'"Leaf 2"'), "tester")
    assert (await role.load(FILE.replace(b'"Leaf"', b'"Leaf 2"'), "tester")).change_count == 2
