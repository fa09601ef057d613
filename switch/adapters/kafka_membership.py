"""
A Kafka consumer group used for its membership alone: who is there, and who is to take what.

Nothing is fetched and nothing is committed: what is proposed travels in the user data of the
group's own protocol, and to Kafka every member is assigned no partitions at all. Being in the
group, or falling out of it, takes nothing from anybody: the journal decides who owns a partition
(docs/adr/0022-a-consumer-group-only-proposes.md). A process needs Read and Describe on the group
and Describe on the topic for it.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)

from switch.adapters.kafka_log import KafkaLog
from switch.adapters.telemetry import Logger

POLL_MS: Final = 1_000
RETRY_DELAY_S: Final = 0.5
CLIENT_TIMEOUT_S: Final = 5.0
MEMBERS_TIMEOUT_S: Final = 1.0
RETIRE_MARGIN_MS: Final = 500
NEVER_MS: Final = 2**31 - 1  # of idling, after which a member would leave by itself


class MemberWord(msgspec.Struct, frozen=True):
    """What a member says of itself when it joins: what it was proposed in which round."""

    has: tuple[int, ...] = ()
    round: int = 0
    is_retiring: bool = False


class Proposal(msgspec.Struct, frozen=True):
    """What the group's leader proposes to one member."""

    partitions: tuple[int, ...] = ()
    round: int = 0


def share_partitions(
    words: Mapping[str, MemberWord], partition_count: int
) -> dict[str, tuple[int, ...]]:
    """
    Share the partitions among the members, as evenly as can be and moving as few as can be.

    Who retires gets none; if two say they have the same one, the later round is right.
    """
    takers = sorted(name for name, word in words.items() if not word.is_retiring)
    shares: dict[str, list[int]] = {name: [] for name in takers}
    if not takers:
        return dict.fromkeys(words, ())
    had = sorted(takers, key=lambda name: -words[name].round)
    left: list[int] = []
    floor, extra = divmod(partition_count, len(takers))
    claimed_by = {index: name for name in reversed(had) for index in words[name].has}
    for index in range(partition_count):
        name = claimed_by.get(index, "")
        if name and len(shares[name]) < floor:
            shares[name].append(index)
        elif name and len(shares[name]) == floor and extra:
            extra -= 1
            shares[name].append(index)
        else:
            left.append(index)
    for index in left:
        shares[min(takers, key=lambda name: (len(shares[name]), name))].append(index)
    return {name: tuple(sorted(shares.get(name, ()))) for name in words}


class GroupAssignor:
    """The group's protocol, as aiokafka calls it; one a member, for it remembers."""

    name: ClassVar[str] = "switch-proposals"

    def __init__(self, partition_count: int, on_proposal: Callable[[Proposal], None]) -> None:
        self.is_retiring = False
        self._partition_count = partition_count
        self._on_proposal = on_proposal
        self._proposal = Proposal()

    def metadata(self, topics: set[str]) -> ConsumerProtocolMemberMetadata:
        """Say what one was proposed last."""
        word = MemberWord(self._proposal.partitions, self._proposal.round, self.is_retiring)
        return ConsumerProtocolMemberMetadata(0, list(topics), msgspec.json.encode(word))

    def assign(
        self,
        cluster: object,
        members: Mapping[str, ConsumerProtocolMemberMetadata],
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Lead the group: propose something to everybody."""
        del cluster
        words = {name: _read_word(said.user_data) for name, said in members.items()}
        number = 1 + max((word.round for word in words.values()), default=0)
        return {
            name: ConsumerProtocolMemberAssignment(
                0, [], msgspec.json.encode(Proposal(partitions, number))
            )
            for name, partitions in share_partitions(words, self._partition_count).items()
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Hear what the leader proposes."""
        with contextlib.suppress(msgspec.MsgspecError):
            self._proposal = msgspec.json.decode(assignment.user_data, type=Proposal)
        self._on_proposal(self._proposal)


def _read_word(said: bytes) -> MemberWord:
    """Read what a member says; one that nobody understands says nothing."""
    with contextlib.suppress(msgspec.MsgspecError):
        return msgspec.json.decode(said, type=MemberWord)
    return MemberWord()


class GroupProposer:
    """
    Proposes partitions by a consumer group (a `Proposer` of `switch/apps/ownership.py`).

    A broker that is away changes nothing: what was proposed last stays proposed. A member that was
    frozen, or whose session ended for another reason, joins again by itself.
    """

    waits_for_members: ClassVar[bool] = True

    def __init__(self, event_log: KafkaLog, *, session_timeout_ms: int, log: Logger) -> None:
        self.group = f"{event_log.prefix}handlers"
        # Who finds itself expelled (all do, after a broker was frozen) is back within a heartbeat.
        self.absence_ms = session_timeout_ms // 2
        self._heartbeat_ms = session_timeout_ms // 3
        self._session_timeout_ms = session_timeout_ms
        self._event_log = event_log
        self._topic = f"{event_log.prefix}inbound"
        self._log = log
        self._assignor = GroupAssignor(event_log.partition_count, self._hear)
        self._owner = ""
        self._on_proposed: Callable[[frozenset[int]], None] = _ignore
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._running: asyncio.Task[None] | None = None
        self._has_retired = asyncio.Event()

    async def start(self, owner: str, on_proposed: Callable[[frozenset[int]], None]) -> None:
        """Join the group in a task; `on_proposed` hears of every change."""
        self._owner, self._on_proposed = owner, on_proposed
        self._running = asyncio.create_task(self._run(), name="membership")

    async def find_members(self) -> frozenset[str] | None:
        """Return the owners that are members now; None if it cannot be told."""
        try:
            async with asyncio.timeout(MEMBERS_TIMEOUT_S):
                if self._admin is None:
                    self._admin = await self._open_admin()
                [described] = await self._admin.describe_consumer_groups([self.group])
            [(error_code, _, _, _, _, members, *_)] = described.groups
        except Exception as error:  # noqa: BLE001 - whatever it was, it cannot be told now
            self._log.warning("members of the group not found", kind=type(error).__name__)
            await self._close_admin()
            return None
        return None if error_code else frozenset(client_id for _, client_id, *_ in members)

    async def retire(self) -> None:
        """Ask to be proposed for nothing, and stay a member; wait a bounded time until it is so."""
        self._assignor.is_retiring = True
        if self._consumer is None:
            return
        self._consumer.subscribe([self._topic])  # anew: the group is joined again, with a new word
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout((self._heartbeat_ms + RETIRE_MARGIN_MS) / 1000):
                await self._has_retired.wait()

    async def stop(self) -> None:
        """Leave the group; a broker that does not answer is not waited for."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self._close_admin()

    def _hear(self, proposal: Proposal) -> None:
        if self._assignor.is_retiring and not proposal.partitions:
            self._has_retired.set()
        self._on_proposed(frozenset(proposal.partitions))

    async def _run(self) -> None:
        """Be a member for as long as this process lives."""
        while True:
            try:
                await self._be_member()
            except Exception as error:  # noqa: BLE001 - who was no member for good would fight
                self._log.warning(
                    "group of handlers: not a member, trying again", kind=type(error).__name__
                )
            await asyncio.sleep(RETRY_DELAY_S)

    async def _be_member(self) -> None:
        consumer = AIOKafkaConsumer(
            self._topic,
            **self._client_options(),
            group_id=self.group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=self._session_timeout_ms,
            heartbeat_interval_ms=self._heartbeat_ms,
            max_poll_interval_ms=NEVER_MS,
            partition_assignment_strategy=(self._assignor,),
        )
        try:
            async with asyncio.timeout(CLIENT_TIMEOUT_S):
                await consumer.start()
            self._consumer = consumer
            while True:
                await consumer.getmany(timeout_ms=POLL_MS)  # has nothing but faults to tell
        finally:
            self._consumer = None
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLIENT_TIMEOUT_S):
                    await consumer.stop()

    async def _open_admin(self) -> AIOKafkaAdminClient:
        admin = AIOKafkaAdminClient(**self._client_options())
        try:
            await admin.start()
        except BaseException:
            await admin.close()
            raise
        return admin

    async def _close_admin(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLIENT_TIMEOUT_S):
                    await admin.close()

    def _client_options(self) -> dict[str, Any]:
        return {
            "bootstrap_servers": self._event_log.bootstrap,
            **self._event_log.security.client_options(),
            "client_id": self._owner,
            "request_timeout_ms": self._session_timeout_ms + 2_000,  # a join waits for the others
            "retry_backoff_ms": 50,
            "metadata_max_age_ms": 30_000,
        }


def _ignore(_partitions: frozenset[int]) -> None:
    """Before the start nobody listens."""
