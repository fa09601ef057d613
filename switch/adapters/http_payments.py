"""`POST /v1/payments`, the hot route without a framework around it, and what changes a payment."""

import re
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from switch.adapters.http_exchange import (
    JSON_TYPE,
    PROBLEM_TYPE,
    BodyTooLarge,
    ClientGone,
    ProblemRaised,
    find_bearer,
    find_headers,
    make_problem,
    read_body,
    send_bytes,
    send_problem,
)
from switch.adapters.http_orders import PATH, read_change, read_payment
from switch.domain.registry.entities import ApiClient
from switch.gateway.json_payment import JsonPayment
from switch.security.api_keys import hash_api_key

RETRY_AFTER_S: Final = b"1"
KEY_MISSING: Final = "Send your API key as `Authorization: Bearer KEY`."
KEY_UNKNOWN: Final = "The API key that you sent is not known."
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")
_RETRIED_STATUSES: Final = frozenset({409, 503})
_FAILURE: Final = 400


class PaymentDesk(Protocol):
    """Who takes payments and what changes them: the gateway."""

    async def pay(self, payment: JsonPayment) -> tuple[int, bytes]:
        """Return HTTP status and body, at the deadline at the latest."""
        ...


class FindClient(Protocol):
    """The part of the registry view that knows partners."""

    def find_api_client(self, key_hash: str) -> ApiClient | None:
        """Find the client in service that holds this API key."""
        ...


CountAnswer = Callable[[str, int], None]


def make_payments_route(
    desk: PaymentDesk, clients: FindClient, *, body_bytes_max: int, count_answer: CountAnswer
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Build the ASGI callable that takes new payments."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            client = identify_client(scope, clients)
            key = read_idempotency_key(scope)
            body = await _read_bounded(scope, receive, body_bytes_max)
            payment = read_payment(body, client, key)
        except ProblemRaised as raised:
            headers = tuple(
                (name.lower().encode(), value.encode()) for name, value in raised.headers.items()
            )
            await send_problem(send, raised.problem, headers)
            count_answer(PATH, raised.problem.status)
            return
        except ClientGone:
            return
        status, body = await desk.pay(payment)
        content_type = PROBLEM_TYPE if status >= _FAILURE else JSON_TYPE
        extra = ((b"retry-after", RETRY_AFTER_S),) if status in _RETRIED_STATUSES else ()
        await send_bytes(send, status, body, content_type.encode(), extra)
        count_answer(PATH, status)

    return route


def make_change_endpoint(
    name: str, desk: PaymentDesk, clients: FindClient, *, body_bytes_max: int
) -> Callable[[Request], Awaitable[Response]]:
    """Build the endpoint of `POST /v1/payments/{rrn}/NAME`."""

    async def change(request: Request) -> Response:
        client = identify_client(request.scope, clients)
        key = read_idempotency_key(request.scope)
        body = await _read_bounded(request.scope, request.receive, body_bytes_max)
        order = read_change(name, request.path_params["rrn"], body, client, key)
        status, answer = await desk.pay(order)
        return Response(
            answer,
            status,
            headers={"Retry-After": RETRY_AFTER_S.decode()} if status in _RETRIED_STATUSES else {},
            media_type=PROBLEM_TYPE if status >= _FAILURE else JSON_TYPE,
        )

    return change


def identify_client(scope: Scope, clients: FindClient) -> ApiClient:
    """
    Find the partner whose API key the request carries.

    Raises:
        ProblemRaised: 401.
    """
    token = find_bearer(scope)
    client = clients.find_api_client(hash_api_key(token)) if token else None
    if client is None:
        detail = KEY_UNKNOWN if token else KEY_MISSING
        problem = make_problem(401, "api-key-needed", detail)
        raise ProblemRaised(problem, {"WWW-Authenticate": "Bearer"})
    return client


def read_idempotency_key(scope: Scope) -> str:
    """
    Return the key under which the request is asked for.

    Raises:
        ProblemRaised: 400.
    """
    keys = find_headers(scope, b"idempotency-key")
    key = keys.pop() if len(keys) == 1 else ""  # of two nobody knows which one was meant
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise ProblemRaised(
            make_problem(
                400,
                "idempotency-key-needed",
                "Send a header Idempotency-Key: 1 to 128 visible ASCII characters, a new one for"
                " each request and the same one when you ask again for the same thing.",
            )
        )
    return key


async def _read_bounded(scope: Scope, receive: Receive, body_bytes_max: int) -> bytes:
    try:
        return await read_body(scope, receive, body_bytes_max)
    except BodyTooLarge:
        detail = f"A request takes no more than {body_bytes_max} bytes."
        raise ProblemRaised(
            make_problem(413, "body-too-large", detail), {"Connection": "close"}
        ) from None
