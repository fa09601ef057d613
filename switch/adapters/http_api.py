"""The HTTP listener: payments, their status, the registry for operators, health, metrics, page."""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar, Final, Protocol

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from switch.adapters.http_cases import CaseDesk, CasesApi, CaseView
from switch.adapters.http_exchange import (
    BodyTooLarge,
    ClientGone,
    ProblemRaised,
    json_response,
    make_problem,
    problem_response,
    read_body,
    send_problem,
)
from switch.adapters.http_openapi import write_openapi
from switch.adapters.http_operators import REGISTRY, VIEW, FindOperator, Operators
from switch.adapters.http_orders import OPERATIONS, PATH, choose_merchant
from switch.adapters.http_page import PageContent, render_page
from switch.adapters.http_payments import (
    FindClient,
    PaymentDesk,
    identify_client,
    make_change_endpoint,
    make_payments_route,
)
from switch.adapters.telemetry import Telemetry
from switch.domain.registry.view import KINDS
from switch.handlers.json_answers import PaymentResource

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
ELSEWHERE_GATEWAY: Final = (
    "This process has no gateway: payments and cases are taken, and looked up, at one"
    " (`switch gateway`)."
)
ELSEWHERE_REGISTRY: Final = (
    "This process does not follow the registry: ask a registrar or a gateway (`switch registrar`)."
)
_SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Unavailable(Exception):
    """What was asked for cannot be told now; the message says why."""

    retryable: ClassVar[bool] = True


class FoundPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment with what decides who may see it."""

    merchant_id: str
    resource: PaymentResource


class PaymentStatus(Protocol):
    """Who knows what became of payments: the audit projection."""

    async def find_by_rrn(self, rrn: str) -> FoundPayment | None:
        """
        Look a payment up by its retrieval reference number.

        Raises:
            Unavailable: the database cannot be asked now.
        """
        ...

    async def find_by_key(
        self, client_id: str, merchant_id: str, idempotency_key: str
    ) -> FoundPayment | None:
        """
        Look a partner's payment up by the key that it was asked for with.

        Raises:
            Unavailable: the database cannot be asked now.
        """
        ...


class RegistryDesk(Protocol):
    """Who changes the registry, and who knows it."""

    async def load(self, content: bytes) -> Mapping[str, object]:
        """
        Load a registry file, all of it or nothing; return what changed.

        Raises:
            ProblemRaised: refused, with every error.
            Unavailable: the log cannot be written.
        """
        ...

    def list_entities(self, kind: str) -> Sequence[Mapping[str, object]]:
        """List the entities of a kind, without their keys."""
        ...

    def find_entity(self, kind: str, entity_id: str) -> Mapping[str, object] | None:
        """Find one entity, without its keys."""
        ...


class GatewayPorts(msgspec.Struct, frozen=True, kw_only=True):
    """What payments and cases stand on, in a process that has a gateway."""

    desk: PaymentDesk
    clients: FindClient
    payments: PaymentStatus
    cases: CaseView
    case_desk: CaseDesk


class ApiPorts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the HTTP listener stands on.

    A process without a gateway, or without a view of the registry, answers 503 on their routes and
    says who has them.
    """

    gateway: GatewayPorts | None = None
    registry: RegistryDesk | None = None
    operators: FindOperator
    telemetry: Telemetry
    status: Callable[[], Awaitable[dict[str, object]]]
    page: Callable[[bool], Awaitable[PageContent]]  # with payments only for who may see them
    version: str
    operator_token: str
    request_bytes_max: int
    registry_bytes_max: int


class HttpApi:
    """The ASGI application: the hot route first, everything else through starlette."""

    def __init__(self, ports: ApiPorts) -> None:
        self._ports = ports
        self._requests = ports.telemetry.metrics.counter("switch_http_requests_total")
        self._pay: ASGIApp | None = None
        self._operators = Operators(ports.operator_token, ports.operators)
        self._openapi = msgspec.json.encode(write_openapi(ports.version))
        self.routes = [
            Route("/", self._show_page),
            *self._make_gateway_routes(),
            *self._make_registry_routes(),
            Route("/v1/status", self._show_status),
            Route("/v1/openapi.json", self._show_openapi),
            Route("/healthz", self._show_health),
            Route("/readyz", self._show_readiness),
            Route("/metrics", self._show_metrics),
            Route("/version", self._show_version),
        ]
        self._others: ASGIApp = Starlette(
            routes=self.routes,
            exception_handlers={
                ProblemRaised: _answer_problem,
                Unavailable: _answer_unavailable,
                HTTPException: _answer_http_exception,
                Exception: self._answer_fault,
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        pay = self._pay
        if pay is not None and scope["path"] == PATH and scope["method"] == "POST":
            await pay(scope, receive, send)
            return
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            # the database refuses it, which must not be taken for a database that is out of order
            detail = "There is no NUL in any name, number or key."
            await send_problem(send, make_problem(400, "invalid-request", detail))
            self._count("other", 400)
            return
        status = 0

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._others(scope, receive, send_counted)
        except ClientGone:
            return
        finally:
            route = scope.get("route")
            self._count(route.path if isinstance(route, Route) else "other", status)

    def _count(self, route: str, status: int) -> None:
        self._requests.labels(route, str(status)).inc()

    # -- payments

    def _make_gateway_routes(self) -> list[Route]:
        ports = self._ports.gateway
        if ports is None:
            return [
                *_say_elsewhere("/v1/payments", ELSEWHERE_GATEWAY),
                *_say_elsewhere("/v1/cases", ELSEWHERE_GATEWAY),
            ]
        body_bytes_max = self._ports.request_bytes_max
        self._pay = make_payments_route(
            ports.desk, ports.clients, body_bytes_max=body_bytes_max, count_answer=self._count
        )
        lookup = _PaymentLookup(ports.payments, ports.clients, self._operators)
        cases = CasesApi(
            ports.case_desk, ports.cases, self._operators, body_bytes_max=body_bytes_max
        )
        return [
            *lookup.make_routes(),
            *(
                Route(
                    f"{PATH}/{{rrn}}/{name}",
                    make_change_endpoint(
                        name, ports.desk, ports.clients, body_bytes_max=body_bytes_max
                    ),
                    methods=["POST"],
                )
                for name in OPERATIONS
            ),
            *cases.make_routes(),
        ]

    # -- registry

    def _make_registry_routes(self) -> list[Route]:
        ports = self._ports
        if ports.registry is None:
            return _say_elsewhere("/v1/registry", ELSEWHERE_REGISTRY)
        registry = _RegistryApi(
            ports.registry, self._operators, body_bytes_max=ports.registry_bytes_max
        )
        return registry.make_routes()

    # -- the process

    async def _show_page(self, request: Request) -> Response:
        content = await self._ports.page(_is_local(request))
        return Response(render_page(content), media_type="text/html", headers=_SECURITY_HEADERS)

    async def _show_status(self, request: Request) -> Response:
        self._operators.need(request.scope, VIEW)
        return json_response(await self._ports.status())

    async def _show_openapi(self, _request: Request) -> Response:
        return Response(self._openapi, media_type="application/json")

    async def _show_health(self, _request: Request) -> Response:
        return json_response({"alive": True})

    async def _show_readiness(self, _request: Request) -> Response:
        parts = self._ports.telemetry.readiness.parts()
        is_ready = not any(parts.values())
        content = {
            "ready": is_ready,
            "reasons": {part: reason for part, reason in parts.items() if reason},
            "parts": sorted(parts),
        }
        return json_response(content, 200 if is_ready else 503)

    async def _show_metrics(self, _request: Request) -> Response:
        return Response(
            await self._ports.telemetry.metrics.render(), headers={"Content-Type": METRICS_TYPE}
        )

    async def _show_version(self, _request: Request) -> Response:
        return json_response({"version": self._ports.version})

    async def _answer_fault(self, request: Request, error: Exception) -> Response:
        self._ports.telemetry.log.error(
            "http request failed", path=request.url.path, kind=type(error).__name__, exc_info=error
        )
        return problem_response(make_problem(500, "internal-fault", "The fault was recorded."))


class _PaymentLookup:
    """What became of a payment, for whoever may see it."""

    def __init__(self, payments: PaymentStatus, clients: FindClient, operators: Operators) -> None:
        self._payments = payments
        self._clients = clients
        self._operators = operators

    def make_routes(self) -> list[Route]:
        return [Route(PATH, self._query), Route(f"{PATH}/{{rrn}}", self._show)]

    async def _show(self, request: Request) -> Response:
        return await self._answer_rrn(request, request.path_params["rrn"])

    async def _query(self, request: Request) -> Response:
        query = request.query_params
        if "rrn" in query:
            return await self._answer_rrn(request, query["rrn"])
        if "idempotency_key" not in query:
            detail = "Ask with rrn, or with idempotency_key and merchant_id."
            raise ProblemRaised(make_problem(400, "invalid-request", detail))
        client = identify_client(request.scope, self._clients)
        merchant_id = query.get("merchant_id") or choose_merchant(client, "")
        found = await self._payments.find_by_key(
            client.client_id, merchant_id, query["idempotency_key"]
        )
        return _answer_payment(found, client.merchants)

    async def _answer_rrn(self, request: Request, rrn: str) -> Response:
        if self._operators.may(request.scope, VIEW):
            merchants = None
        else:
            merchants = identify_client(request.scope, self._clients).merchants
        return _answer_payment(await self._payments.find_by_rrn(rrn), merchants)


class _RegistryApi:
    """The registry for operators."""

    def __init__(self, desk: RegistryDesk, operators: Operators, *, body_bytes_max: int) -> None:
        self._desk = desk
        self._operators = operators
        self._body_bytes_max = body_bytes_max

    def make_routes(self) -> list[Route]:
        return [
            Route("/v1/registry/load", self._load, methods=["POST"]),
            Route("/v1/registry/{kind}", self._list),
            Route("/v1/registry/{kind}/{entity_id:path}", self._show),
        ]

    async def _load(self, request: Request) -> Response:
        self._operators.need(request.scope, REGISTRY)
        try:
            content = await read_body(request.scope, request.receive, self._body_bytes_max)
        except BodyTooLarge:
            detail = f"A registry file may have {self._body_bytes_max} bytes."
            raise ProblemRaised(
                make_problem(413, "body-too-large", detail), {"Connection": "close"}
            ) from None
        return json_response(await self._desk.load(content))

    async def _list(self, request: Request) -> Response:
        self._operators.need(request.scope, VIEW)
        kind = _get_kind(request)
        return json_response({kind: self._desk.list_entities(kind)})

    async def _show(self, request: Request) -> Response:
        self._operators.need(request.scope, VIEW)
        kind, entity_id = _get_kind(request), request.path_params["entity_id"]
        entity = self._desk.find_entity(kind, entity_id)
        if entity is None:
            form = "; their ids are ACQUIRER:TERMINAL_ID" if kind == "terminals" else ""
            detail = f"There is no {entity_id!r} among the {kind}{form}."
            raise ProblemRaised(make_problem(404, "not-found", detail))
        return json_response(entity)


def _say_elsewhere(path: str, detail: str) -> list[Route]:
    """Answer everything below a path with who has it: no role of this process."""

    async def refuse(_request: Request) -> Response:
        raise ProblemRaised(make_problem(503, "role-elsewhere", detail))

    methods = ["GET", "POST"]
    return [
        Route(path, refuse, methods=methods),
        Route(f"{path}/{{rest:path}}", refuse, methods=methods),
    ]


def _get_kind(request: Request) -> str:
    kind: str = request.path_params["kind"]
    if kind not in KINDS:
        detail = f"There is no kind {kind!r}, only {', '.join(KINDS)}."
        raise ProblemRaised(make_problem(404, "not-found", detail))
    return kind


def _answer_payment(found: FoundPayment | None, merchants: Sequence[str] | None) -> Response:
    """Show a payment to who may see it; for others it is not there."""
    if found is None or (merchants is not None and found.merchant_id not in merchants):
        problem = make_problem(
            404,
            "payment-not-found",
            "No such payment; one of a moment ago appears within a second or two.",
        )
        raise ProblemRaised(problem, {"Retry-After": "1"})
    return json_response(found.resource)


def _is_local(request: Request) -> bool:
    """Whether the client is on this machine: the start page shows payments to nobody else."""
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


async def _answer_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemRaised)
    return problem_response(error.problem, error.headers)


async def _answer_unavailable(_request: Request, error: Exception) -> Response:
    return problem_response(make_problem(503, "unavailable", str(error)), {"Retry-After": "1"})


async def _answer_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kinds = {404: "not-found", 405: "method-not-allowed"}
    headers = dict(error.headers) if error.headers else None
    kind = kinds.get(error.status_code, "invalid-request")
    return problem_response(make_problem(error.status_code, kind), headers)
