"""A Kafka cluster on this machine: one node or several, in one folder."""

import base64
import contextlib
import dataclasses
import json
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from .jars import fetch_libs
from .machine import KafkaLaunchError, Report, find_free_ports, locked, print_progress
from .node import START_TIMEOUT_S, STOP_TIMEOUT_S, KafkaNode, NodePlace, StorageOrder
from .permissions import ENVIRONMENT_PREFIX, apply_acls, list_roles
from .security import ADMIN, BrokerSecurity, Credentials, write_environment

STATE_FILE: Final = "cluster.json"


class KafkaCluster:
    """
    One cluster with its folder; nothing runs before `start`.

    What a folder once was it stays: node count, security, and the ports that are not given.

    Args:
        directory: everything lives there.
        node_count: 1, or 3 for replication 3 with 2 in sync.
        ports: clients' ports, one a node; empty: as before, else free ones.
        security: TLS, SASL, authorizer.
        proxied_ports: adds a listener PROXIED (plaintext) that sends clients to these loopback
            ports, one a node: for a proxy that forwards to the node's `proxied_port`.
        settings: further lines of server.properties.
        is_quick: ready soonest; else cheaper under a load that lasts, once it has warmed up.
        report: told what is being waited for.

    Raises:
        KafkaLaunchError: the folder holds another kind of cluster.
    """

    def __init__(
        self,
        directory: Path,
        *,
        node_count: int = 1,
        ports: Sequence[int] = (),
        security: BrokerSecurity | None = None,
        proxied_ports: Sequence[int] = (),
        settings: Mapping[str, str] | None = None,
        is_quick: bool = True,
        report: Report = print_progress,
    ) -> None:
        self.directory = directory.resolve()
        self.security = security or BrokerSecurity()
        assert len(ports) in (0, node_count), "a port a node"
        assert len(proxied_ports) in (0, node_count), "a proxied port a node"
        if proxied_ports and not self.security.is_plain:
            raise KafkaLaunchError("the listener behind a proxy is for a cluster without security")
        self._settings = dict(settings or {})
        self._is_quick = is_quick
        self._report = report
        self._cluster_id, self._places = self._plan(node_count, ports, proxied_ports)
        self._credentials = Credentials(self.directory / "security", self.security, list_roles())
        self.nodes = self._make_nodes()

    @classmethod
    def find(cls, directory: Path, report: Report = print_progress) -> Self | None:
        """Return the cluster of a folder, None if there is none."""
        state = _read_state(directory)
        if not state:
            return None
        return cls(
            directory,
            node_count=len(state["nodes"]),
            security=BrokerSecurity(**state["security"]),
            report=report,
        )

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses, host:port, separated by commas."""
        return ",".join(node.bootstrap for node in self.nodes)

    @property
    def proxied_bootstrap(self) -> str:
        """The addresses that clients behind the proxy are sent to."""
        return ",".join(
            f"127.0.0.1:{place.proxied_port_advertised}"
            for place in self._places
            if place.proxied_port
        )

    @property
    def log_url(self) -> str:
        """The log's URL for the switch's settings, without a prefix."""
        return f"kafka://{self.bootstrap}"

    @property
    def is_running(self) -> bool:
        """Say whether every node's process runs."""
        return all(node.pid is not None for node in self.nodes)

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """
        Start what does not run; return when every node answers and knows all of them.

        Raises:
            KafkaLaunchError: one does not; the message holds its last words.
        """
        fetch_libs(self._report)
        self.directory.mkdir(parents=True, exist_ok=True)
        give_up_at = time.monotonic() + timeout_s
        with locked(self.directory / "lock"):
            if self.is_running:
                self._report(f"Kafka runs already at {self.bootstrap}")
                return
            self._write_state()
            self._report(f"starting Kafka at {self.bootstrap} ...")
            formatting = [(node, node.begin_format()) for node in self.nodes]
            for node, process in formatting:
                if process is not None:
                    node.end_format(process)
            for node in self.nodes:
                node.launch()
            for node in self.nodes:
                node.wait_for({place.node_id for place in self._places}, give_up_at, self.nodes)
            self._write_clients()
            if self.security.is_authorizing:
                apply_acls(self.bootstrap, self._credentials.client_settings(ADMIN))
        self._report(f"Kafka answers at {self.bootstrap}; its folder is {self.directory}")

    def stop(self) -> None:
        """Stop every node that runs."""
        for node in self.nodes:
            node.ask_to_stop()
        give_up_at = time.monotonic() + STOP_TIMEOUT_S
        for node in self.nodes:
            node.wait_stopped(give_up_at)

    def remove(self) -> None:
        """End it and forget all records; leaves a folder alone that is not a cluster's."""
        for node in self.nodes:
            node.kill()  # what an orderly end would save is forgotten anyway
        if _read_state(self.directory):
            shutil.rmtree(self.directory)

    def environment(self, role: str) -> dict[str, str]:
        """Return the environment in which a process of this role finds the log."""
        settings = {"url": self.log_url}
        if len(self.nodes) == 1:
            settings["single_broker"] = "true"
        settings |= self._credentials.client_settings(role)
        return {f"{ENVIRONMENT_PREFIX}{key.upper()}": value for key, value in settings.items()}

    def _plan(
        self, node_count: int, ports: Sequence[int], proxied_ports: Sequence[int]
    ) -> tuple[str, list[NodePlace]]:
        state = _read_state(self.directory)
        if not state:
            given = set(ports)
            free = iter(
                port for port in find_free_ports(3 * node_count + len(given)) if port not in given
            )
            cluster_id = _make_id()
            places = [
                NodePlace(
                    node_id=index + 1,
                    directory_id=_make_id(),
                    port=next(free),
                    internal_port=next(free),
                    controller_port=next(free),
                )
                for index in range(node_count)
            ]
        else:
            self._check_same(state, node_count)
            cluster_id = state["cluster_id"]
            places = [NodePlace(**fields) for fields in state["nodes"]]
        proxied = find_free_ports(len(proxied_ports))
        for index, place in enumerate(places):
            places[index] = dataclasses.replace(
                place,
                port=ports[index] if ports and ports[index] else place.port,
                proxied_port=(place.proxied_port or proxied[index]) if proxied_ports else 0,
                proxied_port_advertised=proxied_ports[index] if proxied_ports else 0,
            )
        return cluster_id, places

    def _check_same(self, state: Mapping[str, Any], node_count: int) -> None:
        found = BrokerSecurity(**state["security"])
        if (len(state["nodes"]), found) != (node_count, self.security):
            raise KafkaLaunchError(
                f"{self.directory} holds a cluster of {len(state['nodes'])} with {found}: start it"
                " as it is, take another folder (--dir), or forget it (clean)"
            )

    def _make_nodes(self) -> list[KafkaNode]:
        storage = StorageOrder(
            cluster_id=self._cluster_id,
            voters=[place.voter for place in self._places],
            options=self._credentials.format_options(),
        )
        return [
            KafkaNode(
                self.directory / f"node-{place.node_id}",
                place,
                properties=self._list_properties(place),
                storage=storage,
                access=self._credentials.access(),
                report=self._report,
                is_quick=self._is_quick,
            )
            for place in self._places
        ]

    def _list_properties(self, place: NodePlace) -> dict[str, str]:
        listeners = {
            "CLIENTS": (place.port, place.port, self.security.client_protocol),
            "INTERNAL": (
                place.internal_port,
                place.internal_port,
                self.security.internal_protocol,
            ),
        }
        if place.proxied_port:
            ports = (place.proxied_port, place.proxied_port_advertised)
            listeners["PROXIED"] = (*ports, "PLAINTEXT")
        controller = f"CONTROLLER://127.0.0.1:{place.controller_port}"
        bound = [f"{name}://127.0.0.1:{port}" for name, (port, _, _) in listeners.items()]
        told = [f"{name}://127.0.0.1:{port}" for name, (_, port, _) in listeners.items()]
        protocols = [f"{name}:{protocol}" for name, (_, _, protocol) in listeners.items()]
        protocols.append(f"CONTROLLER:{self.security.internal_protocol}")
        return {
            "listeners": ",".join([*bound, controller]),
            "advertised.listeners": ",".join(told),
            "listener.security.protocol.map": ",".join(protocols),
            **self._credentials.broker_properties(),
            **self._settings,
        }

    def _write_state(self) -> None:
        state = {
            "cluster_id": self._cluster_id,
            "nodes": [dataclasses.asdict(place) for place in self._places],
            "security": dataclasses.asdict(self.security),
        }
        (self.directory / STATE_FILE).write_text(json.dumps(state, indent=2), encoding="utf-8")

    def _write_clients(self) -> None:
        folder = self.directory / "clients"
        folder.mkdir(mode=0o700, exist_ok=True)
        for role in self._credentials.roles:
            write_environment(folder / f"{role}.env", self.environment(role))


def _read_state(directory: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        state: dict[str, Any] = json.loads((directory / STATE_FILE).read_text(encoding="utf-8"))
        return state
    return {}


def _make_id() -> str:
    """Return a new id as Kafka writes them: 22 characters of base64."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
