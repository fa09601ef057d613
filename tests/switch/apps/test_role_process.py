"""The roles as real processes over a real broker: five that know each other by the log alone."""

import asyncio
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time

import pytest

from infra.kafka.cluster import KafkaCluster
from switch.apps.addresses import read_addresses
from switch.apps.demo import DEMO_PAN, load_demo_world
from switch.apps.launch import StartRefused
from switch.apps.role_process import need_kafka
from switch.apps.roles import Role
from switch.apps.settings import LogSettings, Settings
from switch.cli.client import InstanceClient
from switch.cli.failure import CommandFailure
from tests.environment import CALM_SWITCH, name_variables

DEADLINE_S = 60.0
# where a test waits until a log that says nothing is told of
FROZEN_SOON = name_variables(
    {
        "times.terminal_deadline_ms": 30_000,
        "times.append_deadline_ms": 5_000,
        "gateway.append_slow_ms": 1_000,
    }
)
ROLES = ("gateway", "handler", "registrar", "projector")


class Processes:
    """Processes over one prefix of the broker; each has a folder, all share one of keys."""

    def __init__(self, folder, bootstrap):
        self.folder = folder
        self.running = {}
        self.environment = {
            **os.environ,
            **CALM_SWITCH,
            "SWITCH__LOG__URL": f"kafka://{bootstrap}?prefix=t{secrets.token_hex(4)}-",
            "SWITCH__LOG__SINGLE_BROKER": "true",
            "SWITCH__LOG__PARTITION_COUNT": "2",
            "SWITCH__SECURITY__KEYS_DIRECTORY": str(folder / "keys"),
        }

    def launch(self, name, *command, **settings):
        (self.folder / "said").mkdir(exist_ok=True)
        with (self.folder / "said" / name).open("a") as said:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "switch", *command],
                stdout=said,
                stderr=said,
                env={**self.environment, **settings},
            )

    def launch_role(self, role, name="", **settings):
        folder = str(self.folder / (name or role))
        self.launch(name or role, role, "--demo", "--data", folder, **settings)

    def said(self, name):
        return (self.folder / "said" / name).read_text()

    async def wait_said(self, name, words):
        await until(lambda: words in self.said(name), lambda: self._explain(name))

    async def wait_ready(self, *names):
        for name in names:
            await until(
                lambda name=name: read_addresses(self.folder / name) is not None,
                lambda name=name: self._explain(name),
            )

    def _explain(self, name):
        assert self.running[name].poll() is None, self.said(name)
        return self.said(name)

    async def launch_issuer(self):
        self.launch(
            "issuer", "issuer", "--data", str(self.folder / "issuer"), "--address", "127.0.0.1:0"
        )
        await self.wait_said("issuer", "issuer simulator on ")
        address = self.said("issuer").split("issuer simulator on ")[1].split(",")[0]
        self.environment["SWITCH__ISSUER_LINK__LINKS"] = f"issuer-1={address}"

    def client(self, name):
        return InstanceClient(self.folder / name)

    async def run(self, *command):
        """Run one command to its end: exit code, stdout, stderr."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "switch", *command),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment,
        )
        out, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
        return process.returncode, out.decode(), err.decode()

    async def end(self, name, number=signal.SIGTERM):
        process = self.running.pop(name)
        process.send_signal(number)
        return await asyncio.to_thread(process.wait, DEADLINE_S)

    async def end_all(self):
        for name in list(self.running):
            await self.end(name, signal.SIGKILL)


async def until(condition, explain, within_s=DEADLINE_S):
    deadline = time.monotonic() + within_s
    while not await asyncio.to_thread(condition):
        explained = explain()
        assert time.monotonic() < deadline, explained
        await asyncio.sleep(0.02)


class Partner:
    """A partner of the demo world that pays through one gateway."""

    def __init__(self, address):
        self._address = address
        self._world = load_demo_world()
        self._number = 0

    async def pay(self):
        self._number += 1
        order = {
            "merchant_id": self._world.merchant_id,
            "amount_minor": 1_234,
            "currency": "CNY",
            "card": {"pan": DEMO_PAN, "expiry": "12/30"},
        }
        headers = {
            "Authorization": f"Bearer {self._world.api_key}",
            "Idempotency-Key": f"k-{self._number}",
        }
        return await self.ask("POST", "/v1/payments", json.dumps(order), headers)

    async def ask(self, method, path, body=None, headers=None):
        def ask():
            connection = http.client.HTTPConnection(self._address, timeout=DEADLINE_S)
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            found = response.status, json.loads(response.read())
            connection.close()
            return found

        return await asyncio.to_thread(ask)


@pytest.fixture
async def processes(tmp_path, kafka_bootstrap):
    made = Processes(tmp_path, kafka_bootstrap)
    yield made
    await made.end_all()


@pytest.mark.process
@pytest.mark.kafka
async def test_five_processes_started_together_on_nothing_take_a_payment_and_end_well(processes):
    await processes.launch_issuer()
    for role in ROLES:
        processes.launch_role(role)
    await processes.wait_ready(*ROLES)
    code, out, err = await processes.run(
        *("pos", "sale", "--amount", "12.34", "--data", str(processes.folder / "gateway"))
    )
    assert code == 0, err
    assert "Approved" in out
    await check_status(processes)
    for name in (*ROLES, "issuer"):
        assert await processes.end(name) == 0, processes.said(name)
        assert read_addresses(processes.folder / name) is None


def _find_roles(status_json):
    return {role for one in json.loads(status_json)["processes"] for role in one["roles"]}


async def check_status(processes):
    """Every process tells of all of them, and so does the log by itself."""
    asked = [("--data", str(processes.folder / role)) for role in ROLES]
    for arguments in [*asked, ("--log", processes.environment["SWITCH__LOG__URL"])]:

        async def show(arguments=arguments):
            return await processes.run("status", *arguments, "--format", "json")

        deadline = time.monotonic() + DEADLINE_S
        while (shown := await show())[0] != 0 or _find_roles(shown[1]) != set(ROLES):
            assert time.monotonic() < deadline, shown
        found = json.loads(shown[1])
        assert [(one["partition"], one["state"]) for one in found["partitions"]] == [
            (0, "serving"),
            (1, "serving"),
        ]
        assert all(one["epoch"] > 0 or one["claimed_at"] > 0 for one in found["partitions"])
        assert {one["state"] for one in found["projections"]} == {"running"}
        assert [one["in_flight"] for one in found["gateways"]] == [0]
        assert [one["state"] for one in found["links"]] == ["up"]


@pytest.mark.process
@pytest.mark.kafka
async def test_a_gateway_waits_for_a_registry_and_then_serves_by_itself(processes):
    processes.launch_role("gateway")
    await processes.wait_said("gateway", "waiting for the registry")
    assert read_addresses(processes.folder / "gateway") is None
    processes.launch_role("registrar")
    await processes.wait_ready("gateway", "registrar")
    with pytest.raises(CommandFailure, match="name that of a registrar"):
        processes.client("gateway").post("/v1/registry/load", b"", "application/toml")
    listed = processes.client("gateway").get("/v1/registry/merchants")["merchants"]
    assert len(listed) > 1


@pytest.mark.process
@pytest.mark.kafka
async def test_a_gateway_with_other_keys_than_the_registrars_ends_and_says_why(processes):
    other = {"SWITCH__SECURITY__KEYS_DIRECTORY": str(processes.folder / "other-keys")}
    processes.launch_role("gateway", **other)
    await processes.wait_said("gateway", "waiting for the registry")
    processes.launch_role("registrar")
    assert await asyncio.to_thread(processes.running["gateway"].wait, DEADLINE_S) == 6
    assert "restore the keys that belong to it" in processes.said("gateway")


@pytest.mark.process
@pytest.mark.kafka
async def test_a_role_asked_for_what_it_does_not_do_says_who_does(processes):
    processes.launch_role("registrar")
    await processes.wait_ready("registrar")
    with pytest.raises(CommandFailure, match="name that of a gateway"):
        processes.client("registrar").get("/v1/payments/010000000001")


@pytest.fixture
async def own_broker(tmp_path, kafka_bootstrap):
    """A broker that may be frozen; the shared one says that there is what it needs."""
    assert kafka_bootstrap
    cluster = KafkaCluster(tmp_path / "kafka", report=lambda _line: None)
    await asyncio.to_thread(cluster.start)
    yield cluster
    await asyncio.to_thread(cluster.remove)


async def wait_for(ask, is_wanted):
    deadline = time.monotonic() + DEADLINE_S
    while not is_wanted(found := await ask()):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)
    return found


@pytest.mark.process
@pytest.mark.kafka
async def test_while_the_broker_is_frozen_new_payments_are_declined_and_then_taken_again(
    tmp_path, own_broker
):
    processes = Processes(tmp_path, own_broker.bootstrap)
    processes.environment |= FROZEN_SOON
    try:
        await processes.launch_issuer()
        for role in ("gateway", "handler", "registrar"):
            processes.launch_role(role)
        await processes.wait_ready("gateway", "handler", "registrar")
        partner = Partner(processes.client("gateway").addresses["http"])
        await wait_for(partner.pay, lambda found: found[1].get("status") == "approved")
        own_broker.nodes[0].freeze()
        handed_over = []

        async def pay_again():
            handed_over.append(asyncio.create_task(partner.pay()))
            await asyncio.sleep(0.1)
            answered = [one.result() for one in handed_over if one.done()]
            return next((one for one in answered if one[0] == 503), None)

        refused = await wait_for(pay_again, bool)
        assert refused[1]["reason_code"] == "log-unavailable"
        assert refused[1]["money_state"] == "not-debited"
        status, readiness = await partner.ask("GET", "/readyz")
        assert status == 503
        told = readiness["reasons"]["gateway"]  # after a while, that it cannot read either
        assert "acknowledged nothing for" in told or "answers cannot be read" in told
        own_broker.nodes[0].thaw()
        await wait_for(partner.pay, lambda found: found[1].get("status") == "approved")
        await wait_for(lambda: partner.ask("GET", "/readyz"), lambda found: found[0] == 200)
        assert processes.running["gateway"].poll() is None
        await asyncio.gather(*handed_over)
        assert await processes.end("gateway") == 0
    finally:
        own_broker.nodes[0].thaw()
        await processes.end_all()


@pytest.mark.parametrize("url", ["", "sqlite:///data/log.db"])
def test_a_role_of_its_own_refuses_the_embedded_log(url):
    settings = Settings(log=LogSettings(url=url))
    with pytest.raises(StartRefused, match="switch up --data DIR") as refused:
        need_kafka(settings, Role.HANDLER)
    assert refused.value.kind == "setting"
    need_kafka(Settings(log=LogSettings(url="kafka://127.0.0.1:9092")), Role.HANDLER)


@pytest.mark.parametrize(
    "url", ["kafka:/127.0.0.1", "http://127.0.0.1:9092", "/tmp/x", "kafka://127.0.0.1:99999"]
)
def test_what_names_no_log_is_told_in_the_same_words_to_every_role(url):
    settings = Settings(log=LogSettings(url=url))
    with pytest.raises(StartRefused, match=r"names no log: kafka://HOST:PORT") as refused:
        need_kafka(settings, Role.GATEWAY)
    assert refused.value.kind == "setting"


def test_the_refusal_of_the_embedded_log_is_a_wrong_setting(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "switch", "handler", "--data", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "belongs to the one process" in done.stderr
    assert not (tmp_path / "data").exists()
