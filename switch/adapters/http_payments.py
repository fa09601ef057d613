"""`POST /v1/payments`: the hot route, without a framework around it."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Protocol
from urllib.parse import urlencode

import msgspec
from msgspec import Meta
from starlette.types import Receive, Scope, Send

from switch.adapters.http_exchange import (
    JSON_TYPE,
    PROBLEM_TYPE,
    BodyTooLarge,
    ClientGone,
    Problem,
    ProblemRaised,
    explain_decode_error,
    find_bearer,
    find_header,
    make_problem,
    read_body,
    send_bytes,
    send_problem,
)
from switch.domain.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN
from switch.domain.money import AMOUNT_MINOR_MAX, CURRENCY_EXPONENTS, CURRENCY_NAMES
from switch.domain.registry.entities import ApiClient
from switch.gateway.json_payment import JsonPayment
from switch.security.api_keys import hash_api_key

PATH: Final = "/v1/payments"
RETRY_AFTER_S: Final = b"1"
_CURRENCY_CODES: Final = {name: code for code, name in CURRENCY_NAMES.items()} | {
    code: code for code in CURRENCY_EXPONENTS
}
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")
_MONTHS: Final = range(1, 13)
_RETRIED_STATUSES: Final = frozenset({409, 503})
_FAILURE: Final = 400


class CardGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A card in clear; it is sealed before anything else is done."""

    pan: Annotated[
        str,
        Meta(
            pattern=rf"^[0-9]{{{PAN_DIGITS_MIN},{PAN_DIGITS_MAX}}}$",
            description="Card number, digits only.",
            examples=["6200000000000005"],
        ),
    ]
    expiry: Annotated[
        str,
        Meta(
            pattern=r"^([0-9]{4}|[0-9]{2}/[0-9]{2})$",
            description="YYMM, or MM/YY with a slash.",
            examples=["3012", "12/30"],
        ),
    ]

    def __repr__(self) -> str:
        """Hide the card."""
        return "CardGiven(<hidden>)"

    __str__ = __repr__


class PaymentOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a partner asks for: one sale."""

    merchant_id: Annotated[
        str,
        Meta(
            pattern=r"^[0-9A-Za-z ./_-]{1,15}$",
            description="The merchant to be paid (DE 42).",
            examples=["898110154110001"],
        ),
    ]
    amount_minor: Annotated[
        int, Meta(ge=0, le=AMOUNT_MINOR_MAX, description="Minor units (fen, cents).")
    ]
    currency: Annotated[
        str, Meta(description="ISO 4217, letters or digits.", examples=["CNY", "156"])
    ]
    card: CardGiven | None = None
    card_token: Annotated[str, Meta(max_length=128)] = ""

    def __repr__(self) -> str:
        """Hide the card."""
        return f"PaymentOrder({self.merchant_id!r}, <hidden>)"

    __str__ = __repr__


class PaymentDesk(Protocol):
    """Who takes payments: the gateway."""

    async def pay(self, payment: JsonPayment) -> tuple[int, bytes]:
        """Return HTTP status and body, at the deadline at the latest."""
        ...


class FindClient(Protocol):
    """The part of the registry view that knows partners."""

    def find_api_client(self, key_hash: str) -> ApiClient | None:
        """Find the client in service that holds this API key."""
        ...


CountAnswer = Callable[[str, int], None]

_decode_order = msgspec.json.Decoder(PaymentOrder).decode


def make_payments_route(
    desk: PaymentDesk, clients: FindClient, *, body_bytes_max: int, count_answer: CountAnswer
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Build the ASGI callable."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            payment = await _read_payment(scope, receive, clients, body_bytes_max)
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


def identify_client(scope: Scope, clients: FindClient) -> ApiClient:
    """
    Find the partner whose API key the request carries.

    Raises:
        ProblemRaised: 401.
    """
    token = find_bearer(scope)
    client = clients.find_api_client(hash_api_key(token)) if token else None
    if client is None:
        problem = make_problem(
            401, "api-key-needed", "Send your API key as `Authorization: Bearer KEY`."
        )
        raise ProblemRaised(problem, {"WWW-Authenticate": "Bearer"})
    return client


async def _read_payment(
    scope: Scope, receive: Receive, clients: FindClient, body_bytes_max: int
) -> JsonPayment:
    client = identify_client(scope, clients)
    key = find_header(scope, b"idempotency-key")
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise ProblemRaised(
            make_problem(
                400,
                "idempotency-key-needed",
                "Send a header Idempotency-Key: 1 to 128 visible ASCII characters, a new one for"
                " each payment and the same one when you ask again for the same payment.",
            )
        )
    order = _decode(await _read_bounded(scope, receive, body_bytes_max))
    if order.merchant_id not in client.merchants:
        raise ProblemRaised(
            make_problem(
                403,
                "merchant-not-yours",
                f"Your API key does not cover merchant {order.merchant_id}.",
            )
        )
    return _make_payment(order, client, key)


async def _read_bounded(scope: Scope, receive: Receive, body_bytes_max: int) -> bytes:
    try:
        return await read_body(scope, receive, body_bytes_max)
    except BodyTooLarge:
        detail = f"A payment takes no more than {body_bytes_max} bytes."
        raise ProblemRaised(
            make_problem(413, "body-too-large", detail), {"Connection": "close"}
        ) from None


def _decode(body: bytes) -> PaymentOrder:
    try:
        return _decode_order(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProblemRaised(_invalid(explain_decode_error(error))) from None


def _make_payment(order: PaymentOrder, client: ApiClient, key: str) -> JsonPayment:
    currency = _CURRENCY_CODES.get(order.currency.upper())
    if currency is None:
        known = ", ".join(sorted(CURRENCY_NAMES.values()))
        raise ProblemRaised(_invalid(f"currency: not one of {known}"))
    if (order.card is None) == (not order.card_token):
        raise ProblemRaised(_invalid("card: give either card or card_token"))
    query = urlencode({"merchant_id": order.merchant_id, "idempotency_key": key})
    return JsonPayment(
        acquirer=client.acquirer,
        client_id=client.client_id,
        merchant_id=order.merchant_id,
        idempotency_key=key,
        amount_minor=order.amount_minor,
        currency=currency,
        pan=order.card.pan if order.card else "",
        expiration_date=_read_expiry(order.card.expiry) if order.card else "",
        card_token=order.card_token,
        status_url=f"{PATH}?{query}",
    )


def _read_expiry(text: str) -> str:
    expiry = text[3:] + text[:2] if "/" in text else text
    if int(expiry[2:]) not in _MONTHS:
        raise ProblemRaised(_invalid("card.expiry: the month is not 01 to 12"))
    return expiry


def _invalid(error: str) -> Problem:
    return make_problem(
        400, "invalid-request", "Nothing was debited; correct the request.", (error,)
    )
