"""Who is proposed for what: the sharing as arithmetic, the group on a real broker."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys

import msgspec
import pytest
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from hypothesis import given
from hypothesis import strategies as st

from switch.adapters.clock import read_boot_ms
from switch.adapters.kafka_log import KafkaLog
from switch.adapters.kafka_membership import (
    GroupAssignor,
    GroupProposer,
    MemberWord,
    Proposal,
    share_partitions,
)
from switch.adapters.kafka_topic_check import TopicWishes
from switch.adapters.telemetry import make_telemetry

PARTITION_COUNT = 6
SESSION_MS = 6_000  # who stands still for a while stays a member
SHORT_SESSION_MS = 1_000  # where a test waits for its end
OTHER_SESSION_MS = 10_000  # of a client that was not told of one
DEADLINE_S = 60.0
MEMBER = """
import asyncio, json, sys
from switch.adapters.kafka_log import KafkaLog
from switch.adapters.kafka_membership import GroupProposer
from switch.adapters.telemetry import make_telemetry

async def main(bootstrap, prefix, owner, session_ms):
    log = await KafkaLog.connect(bootstrap, prefix=prefix)
    proposer = GroupProposer(
        log, session_timeout_ms=int(session_ms), log=make_telemetry("member").log
    )
    say = lambda proposed: print(json.dumps(sorted(proposed)), flush=True)
    await proposer.start(owner, say)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""

# -- sharing

words = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(
        MemberWord,
        has=st.lists(st.integers(0, 11), max_size=12, unique=True).map(tuple),
        round=st.integers(0, 3),
        is_retiring=st.booleans(),
    ),
    min_size=1,
)


@given(words, st.integers(1, 12))
def test_each_partition_is_proposed_once_and_all_that_stay_get_as_many(said, count):
    shares = share_partitions(said, count)
    assert shares.keys() == said.keys()
    staying = [shares[name] for name, word in said.items() if not word.is_retiring]
    proposed = sorted(index for share in shares.values() for index in share)
    assert proposed == (list(range(count)) if staying else [])
    if staying:
        sizes = [len(share) for share in staying]
        assert max(sizes) - min(sizes) <= 1
    assert not any(shares[name] for name, word in said.items() if word.is_retiring)


@given(words, st.integers(1, 12))
def test_shared_again_nothing_moves(said, count):
    shares = share_partitions(said, count)
    again = {
        name: MemberWord(shares[name], 4, is_retiring=word.is_retiring)
        for name, word in said.items()
    }
    assert share_partitions(again, count) == shares


def test_a_member_that_comes_takes_only_its_share():
    said = {"a": MemberWord((0, 1, 2), 1), "b": MemberWord((3, 4, 5), 1), "c": MemberWord()}
    shares = share_partitions(said, 6)
    assert set(shares["a"]) < {0, 1, 2}
    assert set(shares["b"]) < {3, 4, 5}
    assert len(shares["c"]) == 2


def test_of_two_that_had_the_same_the_later_round_is_right():
    said = {"a": MemberWord((0, 1), 1), "b": MemberWord((0, 1), 2), "c": MemberWord((2, 3), 2)}
    shares = share_partitions(said, 6)
    assert {0, 1} == set(shares["b"])
    assert {2, 3} == set(shares["c"])


def test_a_member_that_speaks_another_language_is_given_something_all_the_same():
    assignor = GroupAssignor(2, lambda _proposal: None)
    heard = []
    other = GroupAssignor(2, heard.append)
    said = {"a": assignor.metadata({"t"}), "b": ConsumerProtocolMemberMetadata(0, ["t"], b"?")}
    assigned = assignor.assign(None, said)
    assert {msgspec.json.decode(one.user_data)["partitions"][0] for one in assigned.values()} == {
        0,
        1,
    }
    assert all(not one.partitions() for one in assigned.values())
    other.on_assignment(assigned["b"])
    other.on_assignment(ConsumerProtocolMemberAssignment(0, [], b"\x00"))
    assert heard == [Proposal(partitions=(1,), round=1)] * 2


# -- the group


class Stage:
    """A log with some members in this process and some in others."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.session_ms = SESSION_MS
        self.prefix = f"members-{secrets.token_hex(4)}-"
        self.proposed = {}
        self.proposers = {}
        self.processes = []

    async def open(self):
        self.log = await KafkaLog.connect(
            self.bootstrap,
            partition_count=PARTITION_COUNT,
            prefix=self.prefix,
            topics=TopicWishes(single_broker=True),
        )

    async def join(self, owner):
        self.proposers[owner] = proposer = GroupProposer(
            self.log, session_timeout_ms=self.session_ms, log=make_telemetry("test").log
        )
        await proposer.start(owner, lambda found: self.proposed.__setitem__(owner, found))
        return proposer

    def spawn(self, owner):
        command = [sys.executable, "-c", MEMBER, self.bootstrap, self.prefix, owner]
        process = subprocess.Popen(
            [*command, str(self.session_ms)], stdout=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        return process

    async def until_members(self, proposer, members):
        """A broker that is slow to tell, or somebody who comes back, may take a while."""
        async with asyncio.timeout(DEADLINE_S):
            while await proposer.find_members() != members:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def until(self, condition):
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - any condition, with a deadline
                await asyncio.sleep(0.01)

    def are_shared(self, *owners):
        shares = [self.proposed.get(owner, frozenset()) for owner in owners]
        return (
            sorted(index for share in shares for index in share) == list(range(PARTITION_COUNT))
            and max(map(len, shares)) - min(map(len, shares)) <= 1
        )

    async def close(self):
        for process in self.processes:
            process.kill()
            process.communicate()
        for proposer in self.proposers.values():
            await proposer.stop()
        await self.log.close()


@pytest.fixture
async def stage(kafka_bootstrap):
    made = Stage(kafka_bootstrap)
    await made.open()
    yield made
    await made.close()


@pytest.mark.kafka
async def test_members_share_the_partitions_and_know_each_other(stage):
    first = await stage.join("a")
    await stage.until(lambda: stage.are_shared("a"))
    await stage.join("b")
    await stage.until(lambda: stage.are_shared("a", "b"))
    await stage.until_members(first, {"a", "b"})
    await stage.proposers.pop("b").stop()
    await stage.until(lambda: len(stage.proposed["a"]) == PARTITION_COUNT)
    await stage.until_members(first, {"a"})


@pytest.mark.kafka
async def test_who_retires_is_proposed_for_nothing_and_stays_a_member(stage):
    first, second = await stage.join("a"), await stage.join("b")
    await stage.until(lambda: stage.are_shared("a", "b"))
    await second.retire()
    await stage.until(lambda: stage.proposed["b"] == frozenset())
    await stage.until(lambda: stage.are_shared("a"))
    await stage.until_members(first, {"a", "b"})


@pytest.mark.kafka
async def test_the_last_one_may_retire_too(stage):
    first = await stage.join("a")
    await stage.until(lambda: stage.are_shared("a"))
    await first.retire()
    await stage.until(lambda: stage.proposed["a"] == frozenset())


@pytest.mark.kafka
async def test_a_killed_member_is_gone_within_its_session(stage):
    stage.session_ms = SHORT_SESSION_MS
    first = await stage.join("a")
    await stage.until(lambda: stage.are_shared("a"))
    killed = stage.spawn("b")
    while len(json.loads(await asyncio.to_thread(killed.stdout.readline))) != PARTITION_COUNT // 2:
        pass  # alone at first, if the other stood still
    await stage.until(lambda: len(stage.proposed["a"]) == PARTITION_COUNT // 2)
    killed.kill()
    started = read_boot_ms()
    await stage.until(lambda: len(stage.proposed["a"]) == PARTITION_COUNT)
    assert read_boot_ms() - started < OTHER_SESSION_MS - SHORT_SESSION_MS
    await stage.until_members(first, {"a"})


@pytest.mark.kafka
async def test_a_frozen_member_that_wakes_joins_again(stage):
    stage.session_ms = SHORT_SESSION_MS
    first = await stage.join("a")
    await stage.until(lambda: stage.are_shared("a"))
    frozen = stage.spawn("b")
    await asyncio.to_thread(frozen.stdout.readline)
    await stage.until(lambda: len(stage.proposed["a"]) == PARTITION_COUNT // 2)
    os.kill(frozen.pid, signal.SIGSTOP)
    await stage.until(lambda: len(stage.proposed["a"]) == PARTITION_COUNT)
    os.kill(frozen.pid, signal.SIGCONT)
    await stage.until(lambda: len(stage.proposed["a"]) == PARTITION_COUNT // 2)
    await stage.until_members(first, {"a", "b"})


@pytest.mark.kafka
async def test_without_a_broker_the_members_cannot_be_told_and_nothing_is_proposed(stage):
    stage.log.bootstrap = "127.0.0.1:1"
    proposer = await stage.join("a")
    assert await proposer.find_members() is None
    await proposer.retire()
    assert stage.proposed == {}


@pytest.mark.kafka
async def test_whatever_goes_wrong_it_tries_to_be_a_member_again(stage):
    """Who is none any more, and does not know it, fights for ever for what it was proposed last."""
    sound, faults = stage.log.security, []

    class Odd:
        def client_options(self):
            faults.append(1)
            raise KeyError

    stage.log.security = Odd()
    proposer = await stage.join("a")
    await stage.until(lambda: faults)
    assert await proposer.find_members() is None
    stage.log.security = sound
    await stage.until(lambda: stage.are_shared("a"))
    await stage.until_members(proposer, {"a"})
