"""Every role as a process of its own, each under its own name, on a broker that insists on it."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from infra.kafka.cluster import KafkaCluster
from infra.kafka.security import BrokerSecurity
from tests.environment import CALM_SWITCH

pytestmark = [pytest.mark.kafka, pytest.mark.process]

SWITCH = [sys.executable, "-m", "switch"]
START_S = 120
ANY_PORT = "127.0.0.1:0"


@pytest.fixture(scope="module")
def strict(kafka_libs, tmp_path_factory):
    assert kafka_libs.is_dir()
    cluster = KafkaCluster(
        tmp_path_factory.mktemp("strict-roles") / "cluster",
        security=BrokerSecurity(is_tls=True, is_sasl=True, is_authorizing=True),
        report=lambda _line: None,
    )
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


class Stage:
    """Processes of one switch, their folders and what they said."""

    def __init__(self, cluster, folder):
        self.cluster = cluster
        self.folder = folder
        self.running = {}
        self.issuer = ANY_PORT

    def environment(self, role):
        plain = {k: v for k, v in os.environ.items() if not k.startswith("SWITCH__")}
        return plain | {
            **CALM_SWITCH,
            **(self.cluster.environment(role) if role != "issuer" else {}),
            "SWITCH__LOG__PARTITION_COUNT": "2",
            "SWITCH__SECURITY__KEYS_DIRECTORY": str(self.folder / "keys"),
            "SWITCH__ISSUER_SIMULATOR__ADDRESS": self.issuer,
        }

    def start(self, role, *words):
        with (self.folder / f"{role}.out").open("wb") as output:
            self.running[role] = subprocess.Popen(
                [*SWITCH, *words],
                env=self.environment(role),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def start_issuer(self):
        """Start it on a port of its own choice, and remember that."""
        self.start("issuer", "issuer", "--address", ANY_PORT, "--data", str(self.folder / "i"))
        greeting = "issuer simulator on "
        give_up_at = time.monotonic() + START_S
        while greeting not in self.words("issuer"):
            assert self.running["issuer"].poll() is None, self.words("issuer")
            assert time.monotonic() < give_up_at, self.words("issuer")
            time.sleep(0.05)
        self.issuer = self.words("issuer").split(greeting)[1].split(",")[0]

    def start_role(self, role):
        self.start(role, role, "--demo", "--data", str(self.folder / role))

    def run(self, role, *words):
        return subprocess.run(
            [*SWITCH, *words],
            env=self.environment(role),
            capture_output=True,
            text=True,
            check=False,
            timeout=START_S,
        )

    def wait_ready(self, role):
        give_up_at = time.monotonic() + START_S
        while not (self.folder / role / "addresses.json").exists():
            assert self.running[role].poll() is None, self.words(role)
            assert time.monotonic() < give_up_at, self.words(role)
            time.sleep(0.05)

    def stop(self):
        """Ask all to end; return what is left of each."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        return {role: process.wait(60) for role, process in self.running.items()}

    def words(self, role):
        return (self.folder / f"{role}.out").read_text(errors="replace")


@pytest.fixture
def stage(strict, tmp_path):
    stage = Stage(strict, tmp_path)
    yield stage
    for process in stage.running.values():
        process.kill()
        process.wait()


def test_each_role_may_do_all_that_a_payment_takes(stage):
    made = stage.run("topics-admin", "topics", "create")
    assert made.returncode == 0, made.stderr
    stage.start_issuer()
    roles = ("registrar", "handler", "gateway", "projector")
    for role in roles:
        stage.start_role(role)
    for role in roles:
        stage.wait_ready(role)
    sale = stage.run(
        "gateway", "pos", "sale", "--amount", "12.34", "--data", stage.folder / "gateway"
    )
    assert sale.returncode == 0, sale.stdout + sale.stderr
    read = stage.run(
        "reader", "log", "cat", "--log", "registry", "--data", stage.folder / "gateway"
    )
    assert read.returncode == 0, read.stderr
    checked = stage.run("gateway", "topics", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert {role: code for role, code in stage.stop().items() if code} == {}
    for role in roles:
        assert not re.search("authoriz|Traceback", stage.words(role), re.IGNORECASE)


def test_who_may_only_read_makes_no_topics(stage):
    refused = stage.run("reader", "topics", "create", "--log", f"{stage.cluster.log_url}?prefix=x-")
    assert refused.returncode != 0
    assert "x-" in refused.stderr
