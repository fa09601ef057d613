"""Cases over HTTP: shown from the projections, changed by commands to their partition."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Protocol, TypeVar

import msgspec
from msgspec import Meta
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from switch.adapters.http_exchange import (
    JSON_TYPE,
    PROBLEM_TYPE,
    BodyTooLarge,
    ProblemRaised,
    explain_decode_error,
    json_response,
    make_problem,
    read_body,
)
from switch.adapters.http_operators import RESOLVE, VIEW, Operators
from switch.adapters.http_payments import read_idempotency_key
from switch.domain.card import holds_card_number
from switch.domain.cases.events import Resolution
from switch.gateway.operator_order import OperatorOrder

PATH: Final = "/v1/cases"
TEXT_CHARACTERS_MAX: Final = 1_000
LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1_000
_LIMIT: Final = re.compile("[0-9]{1,9}")
STATES: Final = ("unended", "open", "proposed", "resolved", "closed", "any")
_FAILURE: Final = 400
_RETRIED_STATUSES: Final = frozenset({503, 504})

_WITHOUT_CONTROLS: Final = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"
Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=TEXT_CHARACTERS_MAX,
        pattern=_WITHOUT_CONTROLS,
        description="Free text without card numbers; it is kept for ever.",
    ),
]


class ClaimOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A claim that a payment was debited and nothing was given for it."""

    rrn: Annotated[str, Meta(pattern="^[0-9]{12}$", examples=["010000000042"])]
    note: Text


class NoteOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A note for the history of a case."""

    text: Text


class AssignOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to see to a case."""

    owner: Annotated[
        str, Meta(pattern=r"^[0-9A-Za-z._@-]{1,64}$(?!\n)", examples=["demo-operator-2"])
    ]
    text: Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX, pattern=_WITHOUT_CONTROLS)] = ""


class ResolveOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How a case is to be settled, and why.

    `no-action`: nothing more is to be done. `returned`: the cardholder has the money. `stands`: the
    debit is right. `return-money`: the switch is to give it back.
    """

    resolution: Resolution
    reason: Text


class CaseQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be listed; `owner` is a person or a team."""

    state: str = STATES[0]
    kind: str = ""
    owner: str = ""
    rrn: str = ""
    merchant_id: str = ""
    incident: str = ""
    limit: int = LIMIT_DEFAULT


class CaseResource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A case as it stands; times are ISO 8601, UTC.

    `team` sees to it while `owner` is empty; `since` is when its payment was asked for; `incident`
    is shared by cases of one issuer line that came close together.
    """

    case_id: str
    partition: int
    kind: str
    title_en: str
    title_zh: str
    state: str
    team: str
    opened_at: str
    updated_at: str
    since: str
    owner: str = ""
    ended_at: str = ""
    rrn: str = ""
    acquirer: str = ""
    merchant_id: str = ""
    terminal_id: str = ""
    amount_minor: int = 0
    currency: str = ""
    link: str = ""
    incident: str = ""
    detail: str = ""
    proposed_by: str = ""
    resolution: str = ""
    reason: str = ""
    resolved_by: str = ""
    confirmed_by: str = ""
    note_count: int = 0
    opening_count: int = 1


class CaseLineResource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a short list: an incident with its cases, or a case by itself."""

    line: str
    kind: str
    title_en: str
    title_zh: str
    team: str
    count: int
    first_at: str
    last_at: str
    is_incident: bool = False
    amount_minor: int = 0
    currency: str = ""
    merchant_id: str = ""
    state: str = ""
    owner: str = ""


class CaseList(msgspec.Struct, frozen=True, kw_only=True):
    """Cases, or with `by=incident` lines; `is_cut` says that there are more than `limit`."""

    cases: tuple[CaseResource, ...] = ()
    lines: tuple[CaseLineResource, ...] = ()
    is_cut: bool = False


class StepResource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event; `place` is partition/offset.index of the journal."""

    at: str
    place: str
    title: str
    rule: str = ""
    told_terminal: str = ""
    told_issuer: str = ""
    issuer_said: str = ""


class CaseDetail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A case with all that is known: what it means, its history, its payment's steps.

    `verdict` says in one line where the money of its payment is.
    """

    case: CaseResource
    text_en: str
    text_zh: str
    next_en: str
    next_zh: str
    evidence_en: str
    evidence_zh: str
    history: tuple[StepResource, ...]
    verdict: str = ""
    money_state: str = ""
    payment: dict[str, str | int | bool] = {}
    changed_by: tuple[dict[str, str | int | bool], ...] = ()
    steps: tuple[StepResource, ...] = ()


class ClaimedPayment(msgspec.Struct, frozen=True, kw_only=True):
    """What the projections say of a payment about which a claim is opened."""

    partition: int
    acquirer: str
    merchant_id: str
    terminal_id: str
    amount_minor: int
    currency: str


class CaseDesk(Protocol):
    """Who has commands carried out: the gateway."""

    async def command(self, order: OperatorOrder) -> tuple[int, bytes]:
        """Return HTTP status and body, at the deadline at the latest."""
        ...


class CaseView(Protocol):
    """Who knows cases: the audit projection. Each method raises Unavailable if it cannot tell."""

    async def list_cases(self, query: CaseQuery, *, by_incident: bool) -> CaseList:
        """List cases, or incidents."""
        ...

    async def find_partition(self, case_id: str) -> int | None:
        """Say where a case is decided; None if there is no such case."""
        ...

    async def show_case(self, case_id: str) -> CaseDetail | None:
        """Collect all that is known about one case."""
        ...

    async def find_claimed(self, rrn: str) -> ClaimedPayment | None:
        """Find a payment about which a claim is to be opened."""
        ...


OrderT = TypeVar("OrderT", ClaimOrder, NoteOrder, AssignOrder, ResolveOrder)


class CasesApi:
    """The endpoints under /v1/cases."""

    def __init__(
        self, desk: CaseDesk, view: CaseView, operators: Operators, *, body_bytes_max: int
    ) -> None:
        self._desk = desk
        self._view = view
        self._operators = operators
        self._body_bytes_max = body_bytes_max

    def make_routes(self) -> list[Route]:
        """Build the routes."""
        changes: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "notes": self._note,
            "assign": self._assign,
            "resolve": self._resolve,
        }
        return [
            Route(PATH, self._list),
            Route(PATH, self._open, methods=["POST"]),
            Route(f"{PATH}/{{case_id}}", self._show),
            *(
                Route(f"{PATH}/{{case_id}}/{name}", endpoint, methods=["POST"])
                for name, endpoint in changes.items()
            ),
        ]

    # -- reading

    async def _list(self, request: Request) -> Response:
        self._operators.need(request.scope, VIEW)
        query = request.query_params
        by_incident = query.get("by", "") == "incident"
        return json_response(
            await self._view.list_cases(_read_query(query), by_incident=by_incident)
        )

    async def _show(self, request: Request) -> Response:
        self._operators.need(request.scope, VIEW)
        shown = await self._view.show_case(request.path_params["case_id"])
        if shown is None:
            raise _not_found()
        return json_response(shown)

    # -- changing

    async def _open(self, request: Request) -> Response:
        by = self._operators.need(request.scope, RESOLVE)
        key = read_idempotency_key(request.scope)
        order = await self._read(request, ClaimOrder)
        payment = await self._view.find_claimed(order.rrn)
        if payment is None:
            detail = "No such payment; one of a moment ago appears within a second or two."
            problem = make_problem(404, "payment-not-found", detail)
            raise ProblemRaised(problem, {"Retry-After": "1"})
        return await self._command(
            OperatorOrder(
                partition=payment.partition,
                command="open",
                command_id=key,
                by=by,
                text=order.note,
                rrn=order.rrn,
                acquirer=payment.acquirer,
                merchant_id=payment.merchant_id,
                terminal_id=payment.terminal_id,
                amount_minor=payment.amount_minor if payment.currency else None,
                currency=payment.currency,
            )
        )

    async def _note(self, request: Request) -> Response:
        by, key, partition = await self._identify(request)
        order = await self._read(request, NoteOrder)
        return await self._command(
            OperatorOrder(
                partition=partition,
                command="note",
                command_id=key,
                by=by,
                case_id=request.path_params["case_id"],
                text=order.text,
            )
        )

    async def _assign(self, request: Request) -> Response:
        by, key, partition = await self._identify(request)
        order = await self._read(request, AssignOrder)
        return await self._command(
            OperatorOrder(
                partition=partition,
                command="assign",
                command_id=key,
                by=by,
                case_id=request.path_params["case_id"],
                owner=order.owner,
                text=order.text,
            )
        )

    async def _resolve(self, request: Request) -> Response:
        by, key, partition = await self._identify(request)
        order = await self._read(request, ResolveOrder)
        return await self._command(
            OperatorOrder(
                partition=partition,
                command="resolve",
                command_id=key,
                by=by,
                case_id=request.path_params["case_id"],
                resolution=order.resolution.value,
                text=order.reason,
            )
        )

    async def _identify(self, request: Request) -> tuple[str, str, int]:
        """Return who commands, under which key, and in which partition the case is."""
        by = self._operators.need(request.scope, RESOLVE)
        key = read_idempotency_key(request.scope)
        partition = await self._view.find_partition(request.path_params["case_id"])
        if partition is None:
            raise _not_found()
        return by, key, partition

    async def _read(self, request: Request, kind: type[OrderT]) -> OrderT:
        try:
            body = await read_body(request.scope, request.receive, self._body_bytes_max)
        except BodyTooLarge:
            detail = f"A request takes no more than {self._body_bytes_max} bytes."
            problem = make_problem(413, "body-too-large", detail)
            raise ProblemRaised(problem, {"Connection": "close"}) from None
        try:
            order = msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _invalid(explain_decode_error(error)) from None
        for name in ("note", "text", "reason", "owner"):
            said = getattr(order, name, "")
            if holds_card_number(said):
                raise _invalid(f"{name}: it holds what looks like a card number")
            if said and not said.strip():
                raise _invalid(f"{name}: it says nothing")
        return order

    async def _command(self, order: OperatorOrder) -> Response:
        status, body = await self._desk.command(order)
        return Response(
            body,
            status,
            headers={"Retry-After": "1"} if status in _RETRIED_STATUSES else {},
            media_type=PROBLEM_TYPE if status >= _FAILURE else JSON_TYPE,
        )


def _read_query(query: QueryParams) -> CaseQuery:
    state, limit = query.get("state", STATES[0]), query.get("limit", str(LIMIT_DEFAULT))
    if state not in STATES:
        raise _invalid(f"state: not one of {', '.join(STATES)}")
    if not _LIMIT.fullmatch(limit) or not 0 < int(limit) <= LIMIT_MAX:
        raise _invalid(f"limit: not a number from 1 to {LIMIT_MAX}")
    return CaseQuery(
        state=state,
        kind=query.get("kind", ""),
        owner=query.get("owner", ""),
        rrn=query.get("rrn", ""),
        merchant_id=query.get("merchant_id", ""),
        incident=query.get("incident", ""),
        limit=int(limit),
    )


def _invalid(error: str) -> ProblemRaised:
    detail = "Nothing was changed; correct the request."
    return ProblemRaised(make_problem(400, "invalid-request", detail, (error,)))


def _not_found() -> ProblemRaised:
    detail = "No such case; one of a moment ago appears within a second or two."
    return ProblemRaised(make_problem(404, "case-not-found", detail), {"Retry-After": "1"})
