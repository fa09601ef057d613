"""`switch up` as a real process: started, killed, stopped, refused."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from switch.apps.addresses import read_addresses
from switch.apps.up import SIMULATOR_DEADLINE_S
from switch.cli.client import InstanceClient
from switch.demo.issuer_simulator import IssuerPace, IssuerSimulator
from switch.security.api_keys import hash_api_key
from tests.environment import CALM_SWITCH

pytestmark = pytest.mark.process
DEADLINE_S = 60.0
HASTY_TIMES = {"SWITCH__TIMES__ISSUER_TIMEOUT_MS": "1000", "SWITCH__TIMES__SEND_WINDOW_MS": "900"}
ANSWER_WITHIN_S = 90  # more than the gateway's own deadline
API_KEY = "sk_test_0123456789"
MERCHANT = "898110154110001"


def registry_file(acquirer="00000001"):
    return f"""
[[acquirers]]
acquirer_id = "{acquirer}"
name = "Acquirer"
institution_id = "00000001"
[[agents]]
agent_id = "agent"
name = "Agent"
status = "active"
[[links]]
link_id = "issuer"
name = "Issuer"
[[issuers]]
issuer_id = "issuer"
name = "Issuer"
bins = ["62"]
[[routes]]
route_id = "route"
issuer_id = "issuer"
link = "issuer"
[[merchants]]
merchant_id = "{MERCHANT}"
status = "activated"
name = "Shop"
mcc = "5411"
agent_id = "agent"
currency = "156"
fee_plan = {{ rate_ppm = 3800 }}
settlement_account = "ref-1"
transactions = ["sale", "sale-void", "refund"]
entry_modes = ["01"]
[[clients]]
client_id = "partner"
name = "Partner"
acquirer = "{acquirer}"
key_hash = "{hash_api_key(API_KEY)}"
merchants = ["{MERCHANT}"]
""".encode()


class RunningSwitch:
    """One `switch up` over a folder; can be killed and started again."""

    def __init__(self, folder, issuer):
        self.folder = folder
        self.environment = {
            **os.environ,
            **CALM_SWITCH,
            "SWITCH__ISSUER_LINK__LINKS": f"issuer={issuer.address}",
        }
        self.process = None

    def launch(self, *options):
        command = [sys.executable, "-m", "switch", "up", "--data", str(self.folder), *options]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment
        )

    async def start(self):
        self.process = self.launch()
        started = time.monotonic()
        await asyncio.to_thread(self._wait_ready)
        return time.monotonic() - started

    def _wait_ready(self):
        deadline = time.monotonic() + DEADLINE_S
        while (read_addresses(self.folder) or {}).get("pid") != self.process.pid:
            assert self.process.poll() is None, self.process.stderr.read().decode()
            assert time.monotonic() < deadline, "not ready in time"
            time.sleep(0.02)

    async def end(self, number):
        self.process.send_signal(number)
        out, err = await asyncio.to_thread(self.process.communicate, None, DEADLINE_S)
        return self.process.returncode, out.decode(), err.decode()

    async def ask(self, method, path, content=b"", **headers):
        return await asyncio.to_thread(self._ask, method, path, content, headers)

    def _ask(self, method, path, content, headers):
        client = InstanceClient(self.folder)
        headers = {"Authorization": f"Bearer {client.operator_token}", **headers}
        connection = http.client.HTTPConnection(*client.address("http"), timeout=ANSWER_WITHIN_S)
        connection.request(method, path, content or None, headers)
        response = connection.getresponse()
        found = response.status, json.loads(response.read())
        connection.close()
        return found

    async def pay(self, key, amount_minor):
        order = {
            "merchant_id": MERCHANT,
            "amount_minor": amount_minor,
            "currency": "156",
            "card": {"pan": "6200000000000005", "expiry": "3012"},
        }
        return await self.order("/v1/payments", key, order)

    async def order(self, path, key, order):
        headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": key}
        return await self.ask("POST", path, json.dumps(order).encode(), **headers)


@pytest.fixture
async def issuer(tmp_path):
    simulator = IssuerSimulator(tmp_path / "ledger.jsonl", IssuerPace())
    await simulator.listen("127.0.0.1", 0)
    yield simulator
    await simulator.close()


@pytest.fixture
async def switch(tmp_path, issuer):
    made = RunningSwitch(tmp_path / "data", issuer)
    yield made
    if made.process is not None and made.process.poll() is None:
        await made.end(signal.SIGKILL)


def list_processes_of(folder):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in arguments:
                found.append(arguments.replace(b"\0", b" ").decode())
    return found


async def until(condition, within_s=DEADLINE_S):
    async with asyncio.timeout(within_s):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def read_debits(tmp_path):
    lines = (tmp_path / "ledger.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["op"] == "debit"]


async def test_kill_9_loses_nothing_and_leaves_nothing_behind(switch, tmp_path):
    await switch.start()
    assert (await switch.ask("POST", "/v1/registry/load", registry_file()))[0] == 200
    first = await switch.pay("k-1", 1234)
    assert (first[0], first[1]["status"]) == (201, "approved")
    await switch.end(signal.SIGKILL)
    await until(lambda: not list_processes_of(tmp_path / "data"))
    seconds = await switch.start()
    assert seconds < DEADLINE_S / 2
    assert await switch.pay("k-1", 1234) == first
    assert len(read_debits(tmp_path)) == 1
    code, out, _ = await switch.end(signal.SIGINT)
    assert code == 0
    assert "nothing is lost" in out
    assert read_addresses(tmp_path / "data") is None


async def test_projections_show_what_was_paid(switch):
    await switch.start()
    await switch.ask("POST", "/v1/registry/load", registry_file())
    _, paid = await switch.pay("k-1", 1234)
    path = f"/v1/payments?merchant_id={MERCHANT}&idempotency_key=k-1"
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with asyncio.timeout(DEADLINE_S):
        # the rows of one payment come record by record: first asked and routed, then approved
        while (found := await switch.ask("GET", path, **headers))[1].get("status") != "approved":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert found[1]["rrn"] == paid["rrn"]
    assert (await switch.ask("GET", f"/v1/payments/{paid['rrn']}"))[1]["status"] == "approved"
    code, _, _ = await switch.end(signal.SIGTERM)
    assert code == 0


async def test_a_payment_is_looked_up_with_what_was_done_to_it(switch):
    await switch.start()
    await switch.ask("POST", "/v1/registry/load", registry_file())
    _, sale = await switch.pay("k-1", 1000)
    path = f"/v1/payments/{sale['rrn']}"
    refunds = [
        (await switch.order(f"{path}/refunds", key, {"amount_minor": minor, "currency": "CNY"}))[1]
        for key, minor in (("r-1", 400), ("r-2", 600))
    ]
    assert [one["status"] for one in refunds] == ["approved", "approved"]
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with asyncio.timeout(DEADLINE_S):
        while (found := await switch.ask("GET", path, **headers))[1].get("refunded_minor") != 1000:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    _, told = found
    assert (told["status"], told["money_state"]) == ("approved", "returned")
    assert told["verdict"].startswith("DEBITED AND RETURNED: 10.00 CNY")
    assert [(one["rrn"], one["amount_minor"]) for one in told["changes"]] == [
        (one["rrn"], one["amount_minor"]) for one in refunds
    ]
    _, by_key = await switch.ask("GET", "/v1/payments?idempotency_key=r-1", **headers)
    assert (by_key["transaction"], by_key["original_rrn"]) == ("refund", sale["rrn"])
    assert by_key["verdict"].startswith("GIVEN BACK: 4.00 CNY")


async def test_what_the_issuer_has_not_answered_is_reversed_by_the_next_start(switch, tmp_path):
    switch.environment |= HASTY_TIMES
    await switch.start()
    await switch.ask("POST", "/v1/registry/load", registry_file())
    paying = asyncio.create_task(switch.pay("k-1", 1298))
    await until(lambda: read_debits(tmp_path))
    await switch.end(signal.SIGKILL)
    await asyncio.gather(paying, return_exceptions=True)
    await switch.start()
    ledger = tmp_path / "ledger.jsonl"
    await until(lambda: '"op":"reversal"' in ledger.read_text().replace(" ", ""))
    status, told = await switch.pay("k-1", 1298)
    assert (status, told["status"]) in {(202, "unknown"), (201, "declined")}
    assert len(read_debits(tmp_path)) == 1


async def test_a_second_process_a_busy_port_and_a_foreign_folder_are_told_apart(switch, tmp_path):
    await switch.start()
    second = switch.launch()
    _, err = await asyncio.to_thread(second.communicate, None, DEADLINE_S)
    assert second.returncode == 4
    assert f"in use by process {switch.process.pid}" in err.decode()

    other = RunningSwitch(tmp_path / "other", type("Nobody", (), {"address": "127.0.0.1:1"}))
    other.environment["SWITCH__HTTP__ADDRESS"] = str(read_addresses(switch.folder)["http"])
    busy = other.launch()
    _, err = await asyncio.to_thread(busy.communicate, None, DEADLINE_S)
    assert busy.returncode == 4
    assert "SWITCH__HTTP__ADDRESS" in err.decode()

    foreign = tmp_path / "photos"
    foreign.mkdir()
    (foreign / "cat.jpg").touch()
    other.folder = foreign
    refused = other.launch()
    _, err = await asyncio.to_thread(refused.communicate, None, DEADLINE_S)
    assert refused.returncode == 5
    assert "cat.jpg" in err.decode()


def test_a_busy_port_of_the_demos_issuer_ends_the_start_with_its_reason(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-m", "switch", "up", "--demo", "--data", str(tmp_path / "data")],
            env={**os.environ, **CALM_SWITCH, "SWITCH__ISSUER_SIMULATOR__ADDRESS": address},
            capture_output=True,
            timeout=SIMULATOR_DEADLINE_S,
            check=False,
        )
    assert done.returncode == 4
    assert f"issuer simulator: {address}: " in done.stderr.decode()
    assert "address already in use; choose another address" in done.stderr.decode()


def test_a_misspelt_setting_stops_the_start(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "switch", "up", "--data", str(tmp_path / "data")],
        env={**os.environ, "SWITCH__HTTP__ADRESS": "x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "http.address" in done.stderr
    assert not (tmp_path / "data").exists()
