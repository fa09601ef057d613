"""
Start, stop and look at real Kafka brokers on this machine, without Docker.

    python -m infra.kafka.launcher start [--dir DIR] [--port 29092] [--nodes 3]
                                         [--tls] [--sasl] [--authorizer]
    python -m infra.kafka.launcher status [--dir DIR]
    python -m infra.kafka.launcher stop [--dir DIR]
    python -m infra.kafka.launcher clean [--dir DIR]    stop it and forget all its records

Needs java (17 or later) and, the first time, mvn, which fetches Kafka (44 MB) from Maven Central.
DIR is payment-switch/broker in the user's cache folder if it is not given. With --tls, --sasl or
--authorizer, DIR/clients/ROLE.env holds the settings with which a role of the switch comes in.
"""

import argparse
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Final

from .cluster import KafkaCluster
from .jars import find_missing_tools
from .machine import KafkaLaunchError, cache_folder, find_process_start
from .security import BrokerSecurity

__all__ = ["KafkaCluster", "KafkaLaunchError", "find_missing_tools", "main", "serve_while"]

DEFAULT_PORT: Final = 29092
WATCH_INTERVAL_S: Final = 0.25
# who is served for its own life only does not come back after a kill, but may stand still a while
SERVED_SETTINGS: Final = {"broker.session.timeout.ms": "60000"}
EXIT_NOT_RUNNING: Final = 3


def serve_while(cluster: KafkaCluster, pid: int) -> None:
    """Run the cluster as long as another process lives, then stop it and remove its folder."""
    is_stopped = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal is_stopped
        is_stopped = True

    signal.signal(signal.SIGTERM, stop)
    started = find_process_start(pid)
    try:
        cluster.start()
        aside = cluster.directory / "ready.new"
        aside.write_text(cluster.bootstrap)
        aside.rename(cluster.directory / "ready")  # whole, for whoever waits for it
        while not is_stopped and find_process_start(pid) == started:
            time.sleep(WATCH_INTERVAL_S)
    finally:
        cluster.remove()


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parse(arguments)
    try:
        if options.command in ("start", "serve"):
            cluster = _make_cluster(options)
            if options.command == "serve":
                serve_while(cluster, options.while_pid)
            else:
                cluster.start()
                _show(cluster)
            return 0
        return _look_after(options)
    except (KafkaLaunchError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Real Kafka brokers on this machine.")
    parser.add_argument("command", choices=("start", "stop", "status", "clean", "serve"))
    parser.add_argument("--dir", type=Path, default=cache_folder() / "broker")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="of the first node; 0: any that are free"
    )
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=1)
    parser.add_argument("--tls", action="store_true", help="certificates of its own authority")
    parser.add_argument("--sasl", action="store_true", help="users with passwords (SCRAM)")
    parser.add_argument("--authorizer", action="store_true", help="each role may do its own only")
    parser.add_argument("--while-pid", type=int, help="serve: stop when this process has ended")
    return parser.parse_args(arguments)


def _make_cluster(options: argparse.Namespace) -> KafkaCluster:
    return KafkaCluster(
        options.dir,
        node_count=options.nodes,
        ports=range(options.port, options.port + options.nodes) if options.port else (),
        security=BrokerSecurity(
            is_tls=options.tls, is_sasl=options.sasl, is_authorizing=options.authorizer
        ),
        settings=SERVED_SETTINGS if options.command == "serve" else None,
    )


def _show(cluster: KafkaCluster) -> None:
    """Say where it is, and how the switch is run on it."""
    print(cluster.log_url)
    count = len(cluster.nodes)
    command = Path(sys.executable).with_name("switch")
    data = "data-kafka" if count == 1 else f"data-kafka{count}"
    run = f"{command if command.exists() else 'switch'} up --demo --data {data}"
    if not cluster.security.is_plain:
        settings = shlex.quote(str(cluster.directory / "clients" / "up.env"))
        run = f"(set -a; . {settings}; {run})"
    else:
        single = "SWITCH__LOG__SINGLE_BROKER=true " if count == 1 else ""
        run = f"{single}{run} --log {cluster.log_url}"
    print(f"the switch on it: {run}", file=sys.stderr)


def _look_after(options: argparse.Namespace) -> int:
    cluster = KafkaCluster.find(options.dir)
    if options.command == "status":
        if cluster is None or not any(node.pid for node in cluster.nodes):
            print("not running")
            return EXIT_NOT_RUNNING
        for node in cluster.nodes:
            where = f"running at {node.bootstrap}, process {node.pid}"
            print(where if node.pid else f"not running, was at {node.bootstrap}")
    elif cluster is not None and options.command == "stop":
        is_running = any(node.pid for node in cluster.nodes)
        cluster.stop()
        if is_running:
            print(f"stopped: {cluster.log_url}; its records stay in {cluster.directory}")
    elif cluster is not None:
        cluster.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
