"""Connections to Kafka's brokers, beneath the producer and the readers of one process."""

import asyncio
import contextlib
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError, StaleMetadata

from switch.adapters.kafka_security import KafkaSecurity
from switch.eventlog.port import LogUnavailable

CONNECT_TIMEOUT_S: Final = 5.0
REQUEST_TIMEOUT_MS: Final = 3_000
RETRY_MS: Final = 20
METADATA_AGE_MS: Final = 30_000
METADATA_WAIT_S: Final = 0.5  # for a new overview of the cluster, which a dead broker may not give
CLOSE_TIMEOUT_S: Final = 5.0
# How soon after one request the next of its kind goes to the same broker: the more the last one
# carried, the later, so that under load the records of these milliseconds share one (a request
# costs both sides far more than a record), and nobody waits while it is quiet.
# From this share of the longest pace on it grows by a quarter of that only: who is busy waits
# longer only as the load goes on growing.
PACE_PER_RECORD_S: Final = 0.001
PACE_BEND_SHARE: Final = 5 / 8
PACE_BEND_DIVISOR: Final = 4
PACE_MAX_S: Final = 0.008
LOOSE_PACE_MAX_S: Final = 0.040  # of whoever follows what nobody waits for
TIMER_STEP_S: Final = 0.001  # timers of the event loop are no finer

TransportError = (KafkaError, OSError, TimeoutError)


def find_pace(record_count: int, max_s: float = PACE_MAX_S) -> float:
    """Return how many seconds after a request that carried so many records the next may go."""
    pace_s = record_count * PACE_PER_RECORD_S
    bend_s = max_s * PACE_BEND_SHARE
    if pace_s > bend_s:
        pace_s = bend_s + (pace_s - bend_s) / PACE_BEND_DIVISOR
    return min(max_s, pace_s)


def explain_silence(bootstrap: str, error: BaseException) -> LogUnavailable:
    """Say that the log cannot be used now."""
    return LogUnavailable(
        f"no Kafka broker answers at {bootstrap} ({type(error).__name__}); see whether the"
        " brokers run"
    )


def explain_unreadable(place: TopicPartition, offset: int, error: BaseException) -> LogUnavailable:
    """Say that a broker answers, but with what cannot be read, and where that is."""
    return LogUnavailable(
        f"Kafka answers, but a record of topic {place.topic}, partition {place.partition},"
        f" cannot be read from offset {offset} on ({type(error).__name__}): it is damaged on its"
        " broker's disk, or was written by another program"
    )


class KafkaClient:
    """
    One connection to each broker that is needed; made when first used, anew after a failure.

    A broker that went away is tried again by itself. What is asked on one connection is answered
    in order: who waits long needs a client of their own.
    """

    def __init__(self, bootstrap: str, security: KafkaSecurity) -> None:
        self.bootstrap = bootstrap
        self._security = security
        self._client: AIOKafkaClient | None = None
        self._turn = asyncio.Lock()
        self._topics: set[str] = set()
        self._dropping: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def connect(self, topic: str) -> None:
        """
        Have an overview of the cluster with this topic in it.

        Raises:
            LogUnavailable: no broker can be used.
        """
        if self._client is not None and topic in self._topics:
            return
        async with self._turn:
            if self._is_closed:
                raise LogUnavailable("the log was closed")
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    client = self._client or await self._begin()
                    await client.add_topic(topic)
            except TransportError as error:
                raise explain_silence(self.bootstrap, error) from error
            self._topics.add(topic)

    async def _begin(self) -> AIOKafkaClient:
        client = AIOKafkaClient(
            bootstrap_servers=self.bootstrap,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            retry_backoff_ms=RETRY_MS,
            metadata_max_age_ms=METADATA_AGE_MS,
            **self._security.client_options(),
        )
        beginning = asyncio.get_running_loop().create_task(client.bootstrap())
        beginning.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            await asyncio.shield(beginning)  # broken off, it would leave its connection open
        except BaseException:
            self._drop(client, beginning)
            raise
        self._client = client
        self._topics.clear()
        return client

    def find_leader(self, place: TopicPartition) -> int | None:
        """Return the broker that leads a partition, None while that is not known."""
        if self._client is None:
            return None
        leader: int | None = self._client.cluster.leader_for_partition(place)
        return leader if leader is not None and leader >= 0 else None

    def find_any(self) -> int | None:
        """Return some broker."""
        return None if self._client is None else self._client.get_random_node()

    async def send(self, node: int, request: object, *, group: int = 0) -> Any:  # noqa: ANN401
        """
        Ask one broker; `group` names one of its connections.

        Raises:
            KafkaError: it did not answer, or could not be asked (NodeNotReadyError, StaleMetadata).
        """
        if self._client is None:
            raise StaleMetadata("there is no connection")
        try:
            return await self._client.send(node, request, group=group)
        except KeyError:  # aiokafka closes after a time-out, and somebody else had done so
            raise KafkaConnectionError("the connection was lost while an answer was due") from None

    async def refresh(self) -> None:
        """Ask for a new overview of the cluster; wait for it a moment."""
        if self._client is None:
            return
        with contextlib.suppress(*TransportError):
            async with asyncio.timeout(METADATA_WAIT_S):
                await self._client.force_metadata_update()

    def begin_refresh(self) -> None:
        """Ask for a new overview without waiting for it."""
        if self._client is not None:
            self._client.force_metadata_update()

    def drop(self) -> None:
        """Let go of all connections without waiting; the next `connect` begins anew."""
        client, self._client = self._client, None
        self._topics.clear()
        if client is not None:
            self._drop(client, None)

    def _drop(self, client: AIOKafkaClient, beginning: asyncio.Task[None] | None) -> None:
        task = asyncio.get_running_loop().create_task(_end(client, beginning))
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    async def close(self) -> None:
        """Let go of all connections for good; wait a moment for them to end."""
        self._is_closed = True
        self.drop()
        if self._dropping:
            _, late = await asyncio.wait(self._dropping, timeout=CLOSE_TIMEOUT_S)
            for task in late:
                task.cancel()


async def _end(client: AIOKafkaClient, beginning: asyncio.Task[None] | None) -> None:
    with contextlib.suppress(*TransportError):
        if beginning is not None:
            await asyncio.wait({beginning}, timeout=CLOSE_TIMEOUT_S)
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await client.close()
