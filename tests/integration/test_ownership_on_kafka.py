"""Several handlers over one real broker: hand-over, take-over, fights; nobody is declined by it."""

import asyncio
import http.client
import itertools
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from switch.adapters import issuer_connection
from switch.adapters.clock import read_boot_ms
from switch.adapters.kafka_topic_check import TopicWishes
from switch.adapters.open_log import open_log
from switch.adapters.telemetry import make_telemetry
from switch.apps.addresses import bound_address
from switch.apps.http import make_api
from switch.apps.instance import Instance
from switch.apps.roles import Role
from switch.apps.settings_sources import load_settings
from switch.demo.issuer_simulator import IssuerPace, IssuerSimulator
from switch.domain.identifiers import make_partition_key, partition_of
from switch.eventlog.journal import PartitionClaimed
from switch.eventlog.journal_reader import JournalReader
from tests.environment import CALM_TIMES, name_variables

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).resolve().parents[2]
PARTITION_COUNT = 4
# where nothing may be declined: who stands still for seconds must still be a member afterwards
LONG_SESSION_MS = 10_000
SHORT_SESSION_MS = 1_000  # where a take-over waits for its end
TAKEOVER_MS_MAX = 9_000  # two or three seconds, and a machine that stands still as long again
HANDOVER_MS_MAX = 5_000  # a fraction of a second, as above; half a session, which nobody waits for
DEADLINE_S = 90.0
API_KEY = "sk_test_0123456789"
MERCHANTS = [f"89811015411{number:04d}" for number in range(24)]
WORLD = """
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
[[clients]]
client_id = "partner"
name = "Partner"
acquirer = "{acquirer}"
api_key = "{api_key}"
merchants = {merchants}
"""
MERCHANT = """
[[merchants]]
merchant_id = "{merchant}"
status = "activated"
name = "Shop"
mcc = "5411"
agent_id = "agent"
currency = "156"
fee_plan = {{ rate_ppm = 3800 }}
settlement_account = "ref-1"
transactions = ["sale"]
entry_modes = ["01"]
"""


class Paid(msgspec.Struct):
    """One payment as its partner saw it."""

    partition: int
    sent_boot_ms: int
    answered_boot_ms: int
    status: int
    body: dict


class Stage:
    """A gateway and a registrar in this process, handlers beside them or in processes."""

    def __init__(self, folder, bootstrap, session_ms):
        self.folder = folder
        self.session_ms = session_ms
        self.times = CALM_TIMES
        if session_ms == SHORT_SESSION_MS:
            self.times = self.times | {"times.send_window_ms": 2_000}  # take-over waits for it
        self.url = f"kafka://{bootstrap}?prefix=own-{secrets.token_hex(4)}-"
        self.handlers = []
        self.processes = []
        self.paid = []
        self._paying = []
        self._numbers = itertools.count(1)

    async def start(self, delay_ms=0):
        pace = IssuerPace(delay_ms=delay_ms)
        self.issuer = IssuerSimulator(self.folder / "ledger.jsonl", pace)
        await self.issuer.listen("127.0.0.1", 0)
        self.settings = self.make_settings()
        acquirer = self.settings.gateway.unionpay_pos_acquirer
        # the merchants of each partition: there are enough of them for every one to have some
        self.merchants = {
            partition_of(make_partition_key(acquirer, merchant), PARTITION_COUNT): merchant
            for merchant in MERCHANTS
        }
        made = await open_log(
            self.url, partition_count=PARTITION_COUNT, topics=TopicWishes(single_broker=True)
        )
        await made.close()
        self.front = await self.open({Role.GATEWAY, Role.REGISTRAR})
        world = WORLD.format(acquirer=acquirer, api_key=API_KEY, merchants=json.dumps(MERCHANTS))
        world += "".join(MERCHANT.format(merchant=merchant) for merchant in MERCHANTS)
        await self.front.registrar.load(world.encode(), "test")
        self.http = socket.create_server(("127.0.0.1", 0))
        api = make_api(
            self.front,
            self.settings.http,
            make_telemetry("test"),
            operator_token="op",
            facts=list,
        )
        await self.front.serve_http(self.http, api)

    def options(self, **more):
        return {
            "issuer_link.links": {"issuer": self.issuer.address},
            "log.single_broker": True,
            "log.partition_count": PARTITION_COUNT,
            "ownership.session_timeout_ms": self.session_ms,
            **self.times,
            **{name.replace("__", "."): value for name, value in more.items()},
        }

    def make_settings(self, **more):
        return load_settings(is_demo=True, options=self.options(**more)).settings

    async def open(self, roles, **more):
        instance = Instance(
            self.make_settings(**more),
            data_directory=self.folder / secrets.token_hex(4),
            keys_directory=self.folder / "keys",
            log_url=self.url,
            is_demo=True,
            telemetry=make_telemetry("test"),
            find_dsn=str,
            roles=frozenset(roles),
        )
        await instance.open()
        await instance.start()
        return instance

    async def add_handler(self, **more):
        handler = await self.open({Role.HANDLER}, **more)
        self.handlers.append(handler)
        return handler

    def spawn_handler(self):
        """Start a handler as a process of its own."""
        folder = self.folder / f"process-{len(self.processes)}"
        ours = {k: v for k, v in os.environ.items() if not k.startswith("SWITCH__")}
        settings = {
            "LOG__URL": self.url,
            "LOG__SINGLE_BROKER": "true",
            "SECURITY__KEYS_DIRECTORY": str(self.folder / "keys"),
            "ISSUER_LINK__LINKS": f"issuer={self.issuer.address}",
            "OWNERSHIP__SESSION_TIMEOUT_MS": str(self.session_ms),
            "HTTP__ADDRESS": "127.0.0.1:0",
        }
        folder.mkdir()
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "switch",
                    "handler",
                    "--demo",
                    "--data",
                    str(folder / "data"),
                ],
                env=ours
                | name_variables(self.times)
                | {f"SWITCH__{name}": value for name, value in settings.items()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=ROOT,
            )
        self.processes.append(process)
        return process

    # -- what is seen

    async def until(self, condition):
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - any condition, with a deadline
                await asyncio.sleep(0.005)

    def states(self, handler):
        """State of each partition that a handler of this process keeps."""
        return {row["partition"]: row["state"] for row in handler.handler.status()}

    def are_shared(self):
        """Whether the handlers of this process serve everything, each about as much."""
        served = [
            [index for index, state in self.states(handler).items() if state == "serving"]
            for handler in self.handlers
        ]
        return sorted(itertools.chain(*served)) == list(range(PARTITION_COUNT)) and (
            max(map(len, served)) - min(map(len, served)) <= 1
        )

    async def read_claims(self):
        """Return the owner of every claim, by partition, with its offset, in order."""
        claims = {}
        for index in range(PARTITION_COUNT):
            reader, log = (
                JournalReader(),
                await self.front.event_log.open_partition("journal", index),
            )
            end = await log.end()
            found = claims[index] = []
            while reader.next_offset < end:
                for offset, value in await log.read(reader.next_offset, count_max=500, wait_ms=100):
                    record = reader.feed(offset, value)
                    if record and isinstance(record.events[0], PartitionClaimed):
                        found.append(record.events[0].owner)
            await log.close()
        return claims

    def ledger(self, op):
        lines = (self.folder / "ledger.jsonl").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["op"] == op]

    # -- payments

    def begin_paying(self, lane_count=2, pause_s=0.03):
        """Let partners pay on every partition, one payment after the other in each lane."""
        self._is_paying = True
        for index, merchant in self.merchants.items():
            for lane in range(lane_count):
                task = asyncio.create_task(self._pay_on(index, merchant, lane, pause_s))
                self._paying.append(task)

    async def end_paying(self):
        self._is_paying = False
        await asyncio.gather(*self._paying)
        self._paying = []

    async def _pay_on(self, index, merchant, lane, pause_s):
        while self._is_paying:
            number = next(self._numbers)  # another amount each time: no cashier's duplicate
            key = f"{merchant}-{lane}-{number}"
            sent = read_boot_ms()
            status, body = await self.pay(merchant, key, 100 * number)
            self.paid.append(Paid(index, sent, read_boot_ms(), status, body))
            await asyncio.sleep(pause_s)

    async def pay(self, merchant, key, amount_minor):
        return await asyncio.to_thread(self._ask, merchant, key, amount_minor)

    def _ask(self, merchant, key, amount_minor):
        connection = http.client.HTTPConnection(bound_address(self.http), timeout=DEADLINE_S)
        order = {
            "merchant_id": merchant,
            "amount_minor": amount_minor,
            "currency": "CNY",
            "card": {"pan": "6200000000000005", "expiry": "3012"},
        }
        headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": key}
        try:
            connection.request("POST", "/v1/payments", json.dumps(order), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def approved(self, since_boot_ms, index=None):
        return [
            one
            for one in self.paid
            if one.body.get("status") == "approved"
            and one.sent_boot_ms >= since_boot_ms
            and index in (None, one.partition)
        ]

    async def until_all_approve(self, since_boot_ms):
        """Wait for an approval of a payment sent later, on every partition."""
        await self.until(
            lambda: all(self.approved(since_boot_ms, index) for index in range(PARTITION_COUNT))
        )

    def longest_gap_ms(self, since_boot_ms):
        """The longest time without an approval on any partition."""
        longest = 0
        for index in range(PARTITION_COUNT):
            times = sorted(
                one.answered_boot_ms
                for one in self.approved(0, index)
                if one.answered_boot_ms >= since_boot_ms
            )
            gaps = [b - a for a, b in zip([since_boot_ms, *times], times, strict=False)]
            longest = max(longest, *gaps, 0)
        return longest

    def refused(self):
        return [
            (one.partition, one.status, one.body.get("status"), one.body.get("reason_code"))
            for one in self.paid
            if one.body.get("status") != "approved"
        ]

    async def close(self):
        await self.end_paying()
        for process in self.processes:
            process.kill()
            process.wait()
        for handler in self.handlers:
            await handler.stop()
        await self.front.stop()
        await self.issuer.close()


short_session = pytest.mark.parametrize("stage", [SHORT_SESSION_MS], indirect=True)


@pytest.fixture
async def stage(tmp_path, kafka_bootstrap, request, monkeypatch):
    # no debit is dropped because this process was not given the processor before it was written
    monkeypatch.setattr(issuer_connection, "WRITE_DELAY_MAX_MS", 60_000)
    made = Stage(tmp_path, kafka_bootstrap, getattr(request, "param", LONG_SESSION_MS))
    await made.start()
    yield made
    await made.close()


async def test_a_planned_hand_over_declines_nothing_and_is_short(stage):
    first, _ = await stage.add_handler(), await stage.add_handler()
    await stage.until(stage.are_shared)
    stage.begin_paying()
    await stage.until_all_approve(read_boot_ms())
    since = read_boot_ms()
    stage.handlers.remove(first)
    await first.stop()
    stopped = read_boot_ms()
    await stage.until_all_approve(stopped)
    await stage.end_paying()
    assert stage.refused() == []
    assert stage.ledger("reversal") == []
    assert stage.longest_gap_ms(since) < HANDOVER_MS_MAX


async def test_a_new_handler_takes_its_share_without_a_decline(stage):
    await stage.add_handler()
    stage.begin_paying()
    await stage.until_all_approve(read_boot_ms())
    since = read_boot_ms()
    await stage.add_handler()
    await stage.until(stage.are_shared)
    await stage.until_all_approve(read_boot_ms())
    await stage.end_paying()
    assert stage.refused() == []
    assert stage.ledger("reversal") == []
    assert stage.longest_gap_ms(since) < HANDOVER_MS_MAX


@short_session
async def test_the_partitions_of_a_killed_handler_are_served_again_soon(stage):
    await stage.add_handler()
    killed = stage.spawn_handler()
    await stage.until(lambda: len(stage.states(stage.handlers[0])) == PARTITION_COUNT // 2)
    stage.begin_paying()
    await stage.until_all_approve(read_boot_ms())
    killed.kill()
    since = read_boot_ms()
    await stage.until_all_approve(since)
    took = max(
        min(one.answered_boot_ms for one in stage.approved(since, index)) - since
        for index in range(PARTITION_COUNT)
    )
    assert took < TAKEOVER_MS_MAX


@short_session
async def test_a_frozen_handler_that_wakes_is_fenced_and_gets_its_share_again(stage):
    await stage.add_handler()
    frozen = stage.spawn_handler()
    await stage.until(lambda: len(stage.states(stage.handlers[0])) == PARTITION_COUNT // 2)
    stage.begin_paying()
    await stage.until_all_approve(read_boot_ms())
    frozen.send_signal(signal.SIGSTOP)
    await stage.until(lambda: list(stage.states(stage.handlers[0]).values()) == ["serving"] * 4)
    frozen.send_signal(signal.SIGCONT)
    await stage.until(lambda: len(stage.states(stage.handlers[0])) == PARTITION_COUNT // 2)
    await stage.until_all_approve(read_boot_ms())


async def test_of_two_that_fight_one_wins(stage):
    static = {"ownership__proposer": "static"}
    await asyncio.gather(stage.add_handler(**static), stage.add_handler(**static))
    stage.begin_paying(lane_count=1)
    before = await stage.read_claims()
    began = read_boot_ms()
    await stage.until(lambda: read_boot_ms() - began > 8_000)
    claims = await stage.read_claims()
    for index in range(PARTITION_COUNT):
        assert len(claims[index]) - len(before[index]) <= 8
    await stage.until_all_approve(read_boot_ms())


async def test_rebalances_every_two_seconds_decline_nothing(stage):
    await stage.add_handler()
    stage.begin_paying(lane_count=1)
    await stage.until_all_approve(read_boot_ms())
    for _ in range(3):
        began = read_boot_ms()
        comes = await stage.add_handler()
        await stage.until(lambda began=began: read_boot_ms() - began > 2_000)
        stage.handlers.remove(comes)
        await comes.stop()
    await stage.until_all_approve(read_boot_ms())
    await stage.end_paying()
    assert stage.refused() == []
    assert stage.ledger("reversal") == []
