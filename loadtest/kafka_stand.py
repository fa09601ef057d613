"""The switch as many processes over Kafka, for benchmarks: started, killed, stopped by name."""

import contextlib
import itertools
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple, Self

from loadtest.bench_pipe import running_issuer
from loadtest.frames import DIALECT
from loadtest.instance import Instance, InstanceError, StartingInstance, begin_instance
from loadtest.kafka_log import KafkaLog, open_topics
from loadtest.terminal_list import TerminalSpec
from loadtest.world_setup import prepare_world

LEDGER_FILE: Final = "issuer-ledger.jsonl"
# A handler that was killed is missed after this; a broker takes it as `infra/kafka` tunes one.
SESSION_TIMEOUT_MS: Final = 1_000
_SNAPSHOTS_OFF: Final = {
    "SNAPSHOTS__INTERVAL_RECORD_COUNT": "1000000000",
    "SNAPSHOTS__INTERVAL_MS": "1000000000",
    "SNAPSHOTS__TO_TOPIC": "false",
}


class Broker(NamedTuple):
    """One broker: its address, and its process if that is to be measured."""

    bootstrap: str
    pid: int | None = None


@contextlib.contextmanager
def own_broker(folder: Path) -> Iterator[Broker]:
    """
    Run one broker while the block runs; nothing of it is left.

    Raises:
        InstanceError: it does not start.
    """
    try:  # in the source tree only: an installed switch has no launcher of brokers
        from infra.kafka.cluster import KafkaCluster  # noqa: PLC0415
        from infra.kafka.machine import KafkaLaunchError  # noqa: PLC0415
    except ImportError as error:
        raise InstanceError("benchmarks over Kafka run from the source tree only") from error
    try:
        cluster = KafkaCluster(folder, node_count=1, is_quick=False, report=lambda _line: None)
        try:
            cluster.start()
            yield Broker(cluster.bootstrap, cluster.nodes[0].pid)
        finally:
            cluster.remove()
    except KafkaLaunchError as error:
        raise InstanceError(f"no broker: {error}") from error


class StandPlan(NamedTuple):
    """What a stand consists of."""

    terminals: int = 200
    partition_count: int = 4
    handlers: int = 1
    has_projector: bool = False
    issuer_delay_ms: int = 0
    has_snapshots: bool = True
    settings: Mapping[str, str] = {}  # SECTION__KEY -> value, for every process


class KafkaStand:
    """
    Issuer, registrar and gateway, with handlers and a projector, over topics of its own.

    `prepare` makes the topics and the load world; `start` brings up everybody else.
    """

    def __init__(self, folder: Path, broker: Broker, plan: StandPlan) -> None:
        self.folder = folder
        self.broker = broker
        self.plan = plan
        self.prefix = f"lt{secrets.token_hex(4)}-"
        self.log_url = f"kafka://{broker.bootstrap}?prefix={self.prefix}"
        self.specs: tuple[TerminalSpec, ...] = ()
        self.members: dict[str, Instance] = {}
        self._issuer_port = 0
        self._issuer_pid = 0
        self._numbers = itertools.count(1)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for member in self.members.values():
            member.kill()
        self._stack.close()

    # -- life -------------------------------------------------------------------------------------

    def prepare(self) -> Self:
        """
        Make topics and world: what else runs finds everything there.

        Raises:
            InstanceError: something does not start, or refuses the world.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._issuer_port, self._issuer_pid = self._stack.enter_context(
            running_issuer(self.folder, self.plan.issuer_delay_ms)
        )
        registrar = self.begin("registrar").wait_ready()
        self.members["registrar"] = registrar
        self.specs = prepare_world(registrar, self.plan.terminals)
        return self

    def start(self) -> Self:
        """
        Start handlers, gateway and projector, all at once, and wait until they serve.

        Raises:
            InstanceError: one of them does not.
        """
        names = [self._name_handler() for _ in range(self.plan.handlers)]
        roles = dict.fromkeys(names, "handler") | {"gateway": "gateway"}
        if self.plan.has_projector:
            roles["projector"] = "projector"
        starting = {name: self.begin(role, name) for name, role in roles.items()}
        try:
            for name, one in starting.items():
                self.members[name] = one.wait_ready()
        except InstanceError:
            for one in starting.values():
                one.process.kill()
                one.process.wait()
            raise
        return self

    def add_handler(self, settings: Mapping[str, str] | None = None) -> str:
        """
        Start one more handler; return its name once it is ready.

        Raises:
            InstanceError: it is not.
        """
        name = self._name_handler()
        self.members[name] = self.begin("handler", name, settings).wait_ready()
        return name

    def begin(
        self, role: str, name: str = "", settings: Mapping[str, str] | None = None
    ) -> StartingInstance:
        """Start one process with a data folder of its own; do not wait for it."""
        directory = self.folder / (name or role)
        arguments = ["-m", "switch", role, "--demo"]
        return begin_instance(
            directory / "data", directory / "output.log", arguments, self._environment(settings)
        )

    def _name_handler(self) -> str:
        return f"handler-{next(self._numbers)}"

    def _environment(self, settings: Mapping[str, str] | None) -> dict[str, str]:
        plan = self.plan
        found = {
            "LOG__URL": self.log_url,
            "LOG__SINGLE_BROKER": "true",
            "LOG__PARTITION_COUNT": str(plan.partition_count),
            "SECURITY__KEYS_DIRECTORY": str(self.folder / "keys"),
            "ISSUER_SIMULATOR__ADDRESS": f"127.0.0.1:{self._issuer_port}",
            "OWNERSHIP__SESSION_TIMEOUT_MS": str(SESSION_TIMEOUT_MS),
            **({} if plan.has_snapshots else _SNAPSHOTS_OFF),
            **plan.settings,
            **(settings or {}),
        }
        return {f"SWITCH__{name}": value for name, value in found.items()}

    # -- what can be seen of it -------------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int]:
        """Where terminals connect."""
        return self.members["gateway"].address_of(DIALECT)

    @property
    def ledger(self) -> Path:
        """The issuer's own record."""
        return self.folder / LEDGER_FILE

    @property
    def handlers(self) -> dict[str, Instance]:
        """The handlers that run, by name."""
        return {
            name: member
            for name, member in self.members.items()
            if name.startswith("handler-") and member.is_running
        }

    def list_pids(self) -> dict[str, int]:
        """Name every process that takes part, the broker's too if it is ours."""
        pids = {n: m.pid for n, m in self.members.items() if m.is_running and m.pid}
        pids["issuer"] = self._issuer_pid
        if self.broker.pid:
            pids["broker"] = self.broker.pid
        return pids

    async def open_log(self) -> KafkaLog:
        """Open the topics for whoever fills them here."""
        return await open_topics(self.log_url)
