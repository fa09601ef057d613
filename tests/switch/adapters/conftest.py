import asyncio
import http.client
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
import uvloop

from switch.adapters.http_api import ApiPorts, FoundPayment, GatewayPorts, HttpApi, Unavailable
from switch.adapters.http_cases import (
    CaseDetail,
    CaseList,
    CaseQuery,
    CaseResource,
    ClaimedPayment,
)
from switch.adapters.http_exchange import Problem, ProblemRaised
from switch.adapters.http_page import PageContent, PageFact, PagePayment
from switch.adapters.http_server import make_server, serve, stop
from switch.adapters.telemetry import make_telemetry
from switch.domain.registry.entities import ApiClient, Operator
from switch.domain.registry.events import ApiClientRegistered, OperatorRegistered
from switch.domain.registry.queries import EntityRow, registry_entity, registry_rows
from switch.domain.registry.view import Registry
from switch.gateway.json_payment import JsonPayment
from switch.gateway.operator_order import OperatorOrder
from switch.security.api_keys import hash_api_key

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    """Run the tests of modules that say ON_BOTH_LOOPS on uvloop as well."""
    del config
    module = item.getparent(pytest.Module)
    on_both = module is not None and getattr(module.obj, "ON_BOTH_LOOPS", False)
    plain: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    return plain | {"uvloop": uvloop.new_event_loop} if on_both else plain


class FakeDesk:
    """Answers payments with what a test put in; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[JsonPayment] = []
        self.answer = (201, b'{"status":"approved"}')
        self.was_asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self.may_answer.set()

    async def pay(self, payment: JsonPayment) -> tuple[int, bytes]:
        self.asked.append(payment)
        self.was_asked.set()
        await self.may_answer.wait()
        return self.answer


class KnownPayments:
    """A table of payments instead of the audit projection."""

    def __init__(self) -> None:
        self.by_rrn: dict[str, FoundPayment] = {}
        self.by_key: dict[tuple[str, str, str], FoundPayment] = {}
        self.fault = ""

    async def find_by_rrn(self, rrn: str) -> FoundPayment | None:
        if self.fault:
            raise Unavailable(self.fault)
        return self.by_rrn.get(rrn)

    async def find_by_key(
        self, client_id: str, merchant_id: str, idempotency_key: str
    ) -> FoundPayment | None:
        return self.by_key.get((client_id, merchant_id, idempotency_key))


class KnownCases:
    """Tables of cases and payments instead of the audit projection; remembers what was asked."""

    def __init__(self) -> None:
        self.cases: dict[str, CaseResource] = {}
        self.payments: dict[str, ClaimedPayment] = {}
        self.queries: list[tuple[CaseQuery, bool]] = []
        self.fault = ""

    async def list_cases(self, query: CaseQuery, *, by_incident: bool) -> CaseList:
        if self.fault:
            raise Unavailable(self.fault)
        self.queries.append((query, by_incident))
        return CaseList(cases=tuple(self.cases.values()))

    async def find_partition(self, case_id: str) -> int | None:
        case = self.cases.get(case_id)
        return case.partition if case else None

    async def show_case(self, case_id: str) -> CaseDetail | None:
        case = self.cases.get(case_id)
        if case is None:
            return None
        words = dict.fromkeys(
            ("text_en", "text_zh", "next_en", "next_zh", "evidence_en", "evidence_zh"), "words"
        )
        return CaseDetail(case=case, history=(), **words)

    async def find_claimed(self, rrn: str) -> ClaimedPayment | None:
        return self.payments.get(rrn)


class CommandedDesk:
    """Answers commands with what a test put in; remembers them."""

    def __init__(self) -> None:
        self.orders: list[OperatorOrder] = []
        self.answer = (201, b'{"case_id":"c","kind":"k","state":"open"}')

    async def command(self, order: OperatorOrder) -> tuple[int, bytes]:
        self.orders.append(order)
        return self.answer


class LoadedFiles:
    """A registry desk that keeps the files it was given, over a real registry view."""

    def __init__(self, view: Registry) -> None:
        self.view = view
        self.files: list[bytes] = []
        self.problem: Problem | None = None

    async def load(self, content: bytes) -> Mapping[str, object]:
        if self.problem:
            raise ProblemRaised(self.problem)
        self.files.append(content)
        return {"change_count": 1, "position": 2}

    def list_entities(self, kind: str) -> Sequence[EntityRow]:
        return registry_rows(self.view, kind)

    def find_entity(self, kind: str, entity_id: str) -> EntityRow | None:
        return registry_entity(self.view, kind, entity_id)


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class HttpStage:
    """The whole HTTP listener on a free port, its ports within reach."""

    api_key = "sk_partner"
    operator_token = "op_operator"

    def __init__(self, receive_deadline_ms: int = 60_000, keep_alive_ms: int = 60_000) -> None:
        self.desk = FakeDesk()
        self.payments = KnownPayments()
        self.view = Registry()
        self.registry = LoadedFiles(self.view)
        self.cases = KnownCases()
        self.case_desk = CommandedDesk()
        self.telemetry = make_telemetry("test")
        for number, (name, roles) in enumerate(
            (("anna", ("view", "resolve")), ("viewer", ("view",)), ("local", ("resolve",)))
        ):
            operator = Operator(
                operator_id=name, name=name, key_hash=hash_api_key(f"key-{name}"), roles=roles
            )
            self.view.apply(number + 1, OperatorRegistered(operator=operator))
        self.view.apply(
            0,
            ApiClientRegistered(
                client=ApiClient(
                    client_id="partner",
                    name="Partner",
                    acquirer="acq",
                    key_hash=hash_api_key(self.api_key),
                    merchants=("898110154110001",),
                )
            ),
        )
        self.page_payments: tuple[PagePayment, ...] = ()
        self.api = HttpApi(
            ApiPorts(
                gateway=GatewayPorts(
                    desk=self.desk,
                    clients=self.view,
                    payments=self.payments,
                    cases=self.cases,
                    case_desk=self.case_desk,
                ),
                registry=self.registry,
                operators=self.view,
                telemetry=self.telemetry,
                status=self.make_status,
                page=self.make_page,
                version="9.9.9",
                operator_token=self.operator_token,
                request_bytes_max=2_000,
                registry_bytes_max=4_000,
            )
        )
        self.server = make_server(
            self.api,
            receive_deadline_ms=receive_deadline_ms,
            keep_alive_ms=keep_alive_ms,
            connection_count_max=50,
            drain_ms=1_000,
        )
        self.bound = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.bound.getsockname()[1]
        self.serving = asyncio.create_task(serve(self.server, self.bound))

    async def make_status(self) -> dict[str, object]:
        return {"ready": True}

    async def make_page(self, may_see_payments: bool) -> PageContent:  # noqa: FBT001 - a port
        return PageContent(
            version="9.9.9",
            is_ready=True,
            facts=(PageFact("log", "sqlite"), PageFact("issuer", "<down>", is_well=False)),
            payments=self.page_payments if may_see_payments else (),
        )

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """Make one request with the standard library's client."""
        return await asyncio.to_thread(self._ask, method, path, body, dict(headers or {}))

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answered:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answered(response.status, found, response.read())
        finally:
            connection.close()

    async def stop(self) -> None:
        stop(self.server)
        await self.serving


@pytest.fixture
async def http_stage() -> AsyncIterator[HttpStage]:
    stage = HttpStage()
    yield stage
    await stage.stop()
