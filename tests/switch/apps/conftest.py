import asyncio
import http.client
import json
import socket

import msgspec
import pytest

from switch.adapters import issuer_connection
from switch.adapters.http_page import PageFact
from switch.adapters.telemetry import make_telemetry
from switch.apps.addresses import bound_address
from switch.apps.gateway import UNIONPAY_POS
from switch.apps.http import make_api
from switch.apps.instance import Instance
from switch.apps.settings_sources import load_settings
from switch.demo.issuer_simulator import IssuerPace, IssuerSimulator
from tests.environment import CALM_TIMES

OPERATOR_TOKEN = "op_test"
API_KEY = "sk_test_0123456789"
MERCHANT = "898110154110001"
UNTIL_DEADLINE_S = 60.0
ANSWER_WITHIN_S = 90.0  # more than the gateway's own deadline
REGISTRY = f"""
[[acquirers]]
acquirer_id = "{{acquirer}}"
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
fee_plan = {{{{ rate_ppm = 3800 }}}}
settlement_account = "ref-1"
transactions = [
  "sale", "sale-void", "refund", "pre-authorization", "pre-authorization-void", "completion",
  "completion-void",
]
entry_modes = ["01"]
[[clients]]
client_id = "partner"
name = "Partner"
acquirer = "{{acquirer}}"
api_key = "{API_KEY}"
merchants = ["{MERCHANT}"]
"""


class RunningInstance:
    """Every role in this process over a real log and issuer; no children, no database."""

    def __init__(self, folder, **options):
        self.folder = folder
        self.options = options
        self.telemetry = make_telemetry("test")

    async def start(self):
        self.issuer = IssuerSimulator(self.folder / "ledger.jsonl", IssuerPace())
        await self.issuer.listen("127.0.0.1", 0)
        self.settings = load_settings(
            is_demo=True,
            options={
                "issuer_link.links": {"issuer": self.issuer.address},
                **CALM_TIMES,
                **self.options,
            },
        ).settings
        self.instance = Instance(
            self.settings,
            data_directory=self.folder,
            keys_directory=self.folder / "keys",
            log_url=f"sqlite://{self.folder}/log.db",
            is_demo=True,
            telemetry=self.telemetry,
            find_dsn=str,
        )
        await self.instance.open()
        file = REGISTRY.format(acquirer=self.settings.gateway.unionpay_pos_acquirer)
        await self.instance.registrar.load(file.encode(), "test")
        await self.instance.start()
        api = make_api(
            self.instance,
            self.settings.http,
            self.telemetry,
            operator_token=OPERATOR_TOKEN,
            facts=lambda: [PageFact("child", "well")],
        )
        self.http = socket.create_server(("127.0.0.1", 0))
        self.http_address = bound_address(self.http)
        terminals = {UNIONPAY_POS: socket.create_server(("127.0.0.1", 0))}
        await self.instance.serve_http(self.http, api)
        await self.instance.listen(terminals)

    async def stop(self):
        await self.instance.stop()
        await self.issuer.close()

    async def ask(self, method, path, content=None, **headers):
        return await asyncio.to_thread(self._ask, method, path, content, headers)

    def _ask(self, method, path, content, headers):
        connection = http.client.HTTPConnection(self.http_address, timeout=ANSWER_WITHIN_S)
        try:
            body = content if isinstance(content, bytes) else json.dumps(content)
            connection.request(method, path, body if content else None, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        is_json = "json" in response.headers["content-type"]
        return response.status, msgspec.json.decode(text) if is_json else text.decode()

    async def pay(self, key, amount_minor=1234, **changes):
        order = {
            "merchant_id": MERCHANT,
            "amount_minor": amount_minor,
            "currency": "CNY",
            "card": {"pan": "6200000000000005", "expiry": "3012"},
            **changes,
        }
        return await self.order(key, order)

    async def order(self, key, order, path="/v1/payments"):
        headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": key}
        return await self.ask("POST", path, order, **headers)

    async def change(self, name, rrn, key, amount_minor=None):
        """Void, refund, capture or reverse a payment over HTTP."""
        order = {"amount_minor": amount_minor, "currency": "CNY"} if amount_minor else {}
        return await self.order(key, order, f"/v1/payments/{rrn}/{name}")

    async def until(self, condition):
        """Wait for what no event tells of, with a deadline."""
        async with asyncio.timeout(UNTIL_DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - the condition knows no events
                await asyncio.sleep(0.01)

    def partition_of_the_shop(self):
        """Return the partition that has seen a payment."""
        serving = self.instance.handler._serving()
        [served] = [owned for owned in serving if len(owned.partition._book) > 0]
        return served

    def is_taken_anew(self, lost):
        """Whether the partition is served again, under another claim than `lost`."""
        serving = self.instance.handler._serving()
        return any(owned.index == lost.index and owned is not lost for owned in serving)

    async def ask_operator(self, method, path, content=None):
        return await self.ask(method, path, content, Authorization=f"Bearer {OPERATOR_TOKEN}")


@pytest.fixture(autouse=True)
def _patient_with_postgresql(monkeypatch):
    monkeypatch.setattr("switch.apps.payment_status.CONNECT_TIMEOUT_S", 30.0)
    monkeypatch.setattr("switch.apps.payment_status.QUERY_TIMEOUT_S", 30.0)


@pytest.fixture(autouse=True)
def _no_pause_of_the_machine_counts(monkeypatch):
    """Drop no debit because this process was not given the processor before it was written."""
    monkeypatch.setattr(issuer_connection, "WRITE_DELAY_MAX_MS", 60_000)


@pytest.fixture
async def running(tmp_path):
    made = RunningInstance(tmp_path)
    await made.start()
    yield made
    await made.stop()
