"""One broker: its process, its folder, its storage. `cluster.py` says where it is."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .jars import fetch_libs
from .machine import KafkaLaunchError, Report, find_process_start, is_port_free
from .probe import find_brokers
from .security import Access

HERE: Final = Path(__file__).resolve().parent
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 15.0
POLL_S: Final = 0.05
BROKER_FLAGS: Final = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC")
# Compiled quickly, a broker is ready soonest; compiled as far as Java can, it takes twice as much
# of a processor for its first half minute, and a third less from then on.
QUICK_FLAG: Final = "-XX:TieredStopAtLevel=1"
FORMAT_FLAGS: Final = ("-Xmx64m", QUICK_FLAG)
LAST_LINES_COUNT: Final = 15


@dataclass(frozen=True, kw_only=True)
class NodePlace:
    """Where one node is; all ports on loopback. The ids are Kafka's."""

    node_id: int
    directory_id: str
    port: int
    internal_port: int
    controller_port: int
    proxied_port: int = 0  # where the listener behind a proxy really is; 0: there is none
    proxied_port_advertised: int = 0  # where clients are sent instead

    @property
    def voter(self) -> str:
        """How the node is named when storage is made."""
        return f"{self.node_id}@127.0.0.1:{self.controller_port}:{self.directory_id}"


@dataclass(frozen=True, kw_only=True)
class StorageOrder:
    """What every node's storage is made with."""

    cluster_id: str
    voters: Sequence[str]
    options: Sequence[str]


class KafkaNode:
    """One node of a cluster; made by `KafkaCluster`."""

    def __init__(
        self,
        directory: Path,
        place: NodePlace,
        *,
        properties: Mapping[str, str],
        storage: StorageOrder,
        access: Access,
        report: Report,
        is_quick: bool,
    ) -> None:
        self.directory = directory
        self.place = place
        self._properties = properties
        self._storage = storage
        self._access = access
        self._report = report
        self._flags = (*BROKER_FLAGS, QUICK_FLAG) if is_quick else BROKER_FLAGS

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self.place.port

    @property
    def bootstrap(self) -> str:
        """The same as an address, host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def proxied_port(self) -> int:
        """Where the listener really is that is advertised elsewhere; 0 if there is none."""
        return self.place.proxied_port

    @property
    def pid(self) -> int | None:
        """The process id of the running broker, None if it does not run."""
        state = self._read_state()
        pid = state.get("pid", 0)
        return pid if pid and find_process_start(pid) == state.get("process_start") else None

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """
        Start the broker unless it runs; return when it answers.

        Raises:
            KafkaLaunchError: it does not; the message holds its last words.
        """
        give_up_at = time.monotonic() + timeout_s
        if formatting := self.begin_format():
            self.end_format(formatting)
        self.launch()
        self.wait_for({self.place.node_id}, give_up_at)

    def begin_format(self) -> subprocess.Popen[str] | None:
        """
        Write the configuration and, where there is no storage yet, begin to make it.

        Raises:
            KafkaLaunchError: a port is taken.
        """
        if self.pid is not None:
            return None
        libs = fetch_libs(self._report)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._check_ports_free()
        self._write_properties()
        if (self.directory / "data" / "meta.properties").exists():
            return None
        command = self._java(libs, FORMAT_FLAGS)
        # `=`: an id may begin with a dash
        command += ["kafka.tools.StorageTool", "format", f"-t={self._storage.cluster_id}"]
        command += [f"--initial-controllers={','.join(self._storage.voters)}"]
        command += ["-c", str(self.directory / "server.properties"), *self._storage.options]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def end_format(self, formatting: subprocess.Popen[str]) -> None:
        """
        Wait until the storage is made.

        Raises:
            KafkaLaunchError: it could not be made.
        """
        words, _ = formatting.communicate()
        if formatting.returncode:
            raise KafkaLaunchError(f"cannot format the storage:\n{words}")

    def launch(self) -> None:
        """Start the process unless it runs; it does not answer yet."""
        if self.pid is not None:
            return
        command = self._java(fetch_libs(self._report), self._flags)
        command += ["kafka.Kafka", str(self.directory / "server.properties")]
        with (self.directory / "kafka.log").open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the starting shell must not stop it
            )
        process.returncode = 0  # it outlives this program on purpose: no warning about that
        state = {"pid": process.pid, "process_start": find_process_start(process.pid)}
        (self.directory / "kafka.json").write_text(json.dumps(state))

    def wait_for(
        self, brokers: set[int], give_up_at: float, others: Sequence["KafkaNode"] = ()
    ) -> None:
        """
        Wait until this node answers and knows these brokers as alive.

        Raises:
            KafkaLaunchError: it or one of the others ended, or it is too late; the message holds
                the last words of whichever it is.
        """
        while not brokers <= find_brokers(self.place.internal_port, self._access):
            for node in (self, *others):
                node.check_running()
            if time.monotonic() > give_up_at:
                raise KafkaLaunchError(f"Kafka does not answer:\n{self._last_words()}")
            time.sleep(POLL_S)

    def check_running(self) -> None:
        """
        Make sure that the process lives.

        Raises:
            KafkaLaunchError: it does not; the message holds its last words.
        """
        pid = self.pid
        if pid is None or not self._is_alive(pid):
            number = self.place.node_id
            raise KafkaLaunchError(f"Kafka (node {number}) ended at once:\n{self._last_words()}")

    def stop(self) -> None:
        """Stop the broker that was started here, and only that one; also a frozen one."""
        self.ask_to_stop()
        self.wait_stopped(time.monotonic() + STOP_TIMEOUT_S)

    def ask_to_stop(self) -> None:
        """Send SIGTERM; return at once."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGCONT)

    def wait_stopped(self, give_up_at: float) -> None:
        """Wait until the process is gone; kill it when it is too late."""
        pid = self.pid
        while pid is not None and self._is_alive(pid):
            if time.monotonic() > give_up_at:
                os.kill(pid, signal.SIGKILL)
            time.sleep(POLL_S)

    def kill(self) -> None:
        """End the broker at once, as a crash would; return when it is gone."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGKILL)
            self.wait_stopped(time.monotonic() + STOP_TIMEOUT_S)

    def freeze(self) -> None:
        """Let the broker stand still (SIGSTOP), connections and all."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is None:
            raise KafkaLaunchError(f"node {self.place.node_id} does not run")
        os.kill(pid, number)

    def _is_alive(self, pid: int) -> bool:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # ours: let it end for good
        return self.pid == pid

    def _check_ports_free(self) -> None:
        place = self.place
        ports = [place.port, place.internal_port, place.controller_port, place.proxied_port]
        for port in filter(None, ports):
            if not is_port_free(port):
                raise KafkaLaunchError(
                    f"port {port} is taken by another program: choose another with --port"
                    " (make kafka KAFKA_PORT=NUMBER, make kafka3 KAFKA3_PORT=NUMBER)"
                )

    def _write_properties(self) -> None:
        count = len(self._storage.voters)
        template = (HERE / "server.properties.template").read_text(encoding="utf-8")
        text = template.format(
            node_id=self.place.node_id,
            controllers=",".join(
                voter.partition("@")[2].rpartition(":")[0] for voter in self._storage.voters
            ),
            data=self.directory / "data",
            replication=count,
            in_sync_min=max(1, count - 1),
        )
        lines = [f"{name}={value}\n" for name, value in self._properties.items()]
        path = self.directory / "server.properties"
        path.touch(mode=0o600)  # passwords may be in it
        path.write_text(text + "\n" + "".join(lines), encoding="utf-8")

    def _java(self, libs: Path, flags: tuple[str, ...]) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"
        return ["java", *flags, logging, "-cp", f"{libs}/*"]

    def _last_words(self) -> str:
        path = self.directory / "kafka.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join(lines[-LAST_LINES_COUNT:])

    def _read_state(self) -> dict[str, int]:
        try:
            state: dict[str, int] = json.loads((self.directory / "kafka.json").read_text())
        except (OSError, ValueError):
            return {}
        return state
