"""Cases from end to end: HTTP, inbound log, partition, journal, projection, HTTP."""

import asyncio
import time

import asyncpg
import pytest

from projections.runner import RunnerSettings, run_projector
from projections.status import ProjectorStatus
from switch.adapters.embedded_postgres import EmbeddedPostgres
from switch.adapters.http_api import Unavailable
from switch.adapters.http_cases import CaseQuery
from switch.apps.cases import AuditCases
from switch.apps.payment_status import AuditStatus

OPERATORS = b"""
[[operators]]
operator_id = "anna"
name = "Anna"
api_key = "anna-key-0123456789"
roles = ["view", "resolve"]
[[operators]]
operator_id = "ben"
name = "Ben"
api_key = "ben-key-0123456789"
roles = ["view", "resolve"]
"""
LARGE_MINOR = 100_001
DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "pg") as server:
        yield server


@pytest.fixture
async def dsn(postgres, request):
    """A database of this test's own."""
    name = request.node.name[:60]
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
    await connection.close()
    return postgres.dsn.replace("/postgres?", f"/{name}?")


@pytest.fixture
async def desk(running, dsn):
    """The running instance with projections behind it, and hands for operators."""
    await running.ask_operator("POST", "/v1/registry/load", OPERATORS)
    running.instance.audit._dsn = lambda: dsn
    stop = asyncio.Event()
    projecting = asyncio.create_task(
        run_projector(
            log=running.instance.event_log,
            dsn=dsn,
            stop=stop,
            status=ProjectorStatus(),
            settings=RunnerSettings(linger_ms=1, read_wait_ms=20),
        )
    )
    yield Desk(running)
    stop.set()
    await projecting


class Desk:
    def __init__(self, running):
        self._running = running
        self._count = 0

    async def get(self, path, who="anna"):
        headers = {"Authorization": f"Bearer {who}-key-0123456789"}
        return await self._running.ask("GET", path, **headers)

    async def post(self, path, content, who="anna", key=""):
        self._count += 1
        headers = {
            "Authorization": f"Bearer {who}-key-0123456789",
            "Idempotency-Key": key or f"key-{self._count}",
        }
        return await self._running.ask("POST", path, content, **headers)

    async def wait_for(self, path, is_there):
        """Ask until the projections have caught up."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            status, found = await self.get(path)
            if status == 200 and is_there(found):
                return found
            assert time.monotonic() < deadline, f"{path} is still {found}"
            await asyncio.sleep(0.05)


async def test_a_claim_is_settled_by_two_persons_and_the_money_goes_back(running, desk):
    _, paid = await running.pay("cases-1", amount_minor=LARGE_MINOR)
    rrn = paid["rrn"]
    await desk.wait_for(f"/v1/payments?rrn={rrn}", lambda found: found["status"] == "approved")
    status, opened = await desk.post("/v1/cases", {"rrn": rrn, "note": "nothing was sold"})
    assert (status, opened["state"]) == (201, "open")
    _, metrics = await running.ask("GET", "/metrics")
    assert 'switch_cases_opened_total{kind="not-served"} 1.0' in metrics
    assert sum(one["open_cases"] for one in running.instance.status()["partitions"]) == 1
    case_path = f"/v1/cases/not-served-{rrn}"
    shown = await desk.wait_for(case_path, lambda found: found["case"]["note_count"] == 1)
    assert shown["verdict"].startswith("DEBITED: 1000.01 CNY")
    assert shown["case"]["amount_minor"] == LARGE_MINOR
    assert [step["title"] for step in shown["history"]] == [
        "case opened: not-served",
        "note by anna",
    ]
    assert shown["steps"][0]["title"].startswith("asked: sale of 1000.01 CNY")

    order = {"resolution": "return-money", "reason": "the slip shows no sale"}
    assert (await desk.post(f"{case_path}/resolve", order, key="p"))[0] == 202
    assert (await desk.post(f"{case_path}/resolve", order, key="p"))[0] == 202
    status, problem = await desk.post(f"{case_path}/resolve", order)
    assert (status, problem["type"].rpartition(":")[2]) == (409, "second-person-needed")
    status, settled = await desk.post(f"{case_path}/resolve", order, who="ben")
    assert (status, settled["effects"]) == (201, ["return-ordered.v1"])

    found = await desk.wait_for(
        f"/v1/payments?rrn={rrn}", lambda found: found["money_state"] == "returned"
    )
    assert found["verdict"].startswith("DEBITED AND RETURNED: 1000.01 CNY was given back at")
    assert "taken back by an operator" in found["verdict"]
    listed = await desk.wait_for(
        f"/v1/cases?rrn={rrn}&state=any", lambda found: found["cases"][0]["state"] == "resolved"
    )
    [case] = listed["cases"]
    assert (case["resolved_by"], case["confirmed_by"]) == ("anna", "ben")


async def test_what_waits_is_listed_by_incident_too(running, desk):
    _, paid = await running.pay("cases-2")
    await desk.wait_for(f"/v1/payments?rrn={paid['rrn']}", lambda _: True)
    await desk.post("/v1/cases", {"rrn": paid["rrn"], "note": "no goods"})
    case_id = f"not-served-{paid['rrn']}"
    await desk.wait_for(f"/v1/cases/{case_id}", lambda _: True)
    await desk.post(f"/v1/cases/{case_id}/assign", {"owner": "ben"})
    listed = await desk.wait_for("/v1/cases?owner=ben&by=incident", lambda found: found["lines"])
    [line] = listed["lines"]
    assert (line["line"], line["count"], line["team"]) == (case_id, 1, "merchant-care")
    assert line.get("is_incident", False) is False
    one = await desk.wait_for("/v1/cases?state=any&limit=1", lambda _: True)
    assert len(one["cases"]) == 1


async def test_without_a_database_cases_cannot_be_told():
    cases = AuditCases(AuditStatus(lambda: ""))
    for asking in (
        cases.list_cases(CaseQuery(), by_incident=False),
        cases.find_partition("c"),
        cases.show_case("c"),
        cases.find_claimed("1"),
    ):
        with pytest.raises(Unavailable):
            await asking
