"""What a partner may ask for over HTTP: the bodies, and their way into domain words."""

import re
from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from switch.adapters.http_exchange import (
    Problem,
    ProblemRaised,
    explain_decode_error,
    find_named_twice,
    make_problem,
)
from switch.domain.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN, holds_issued_number
from switch.domain.identifiers import RRN_DIGITS
from switch.domain.money import AMOUNT_MINOR_MAX, CURRENCY_EXPONENTS, CURRENCY_NAMES
from switch.domain.registry.entities import ApiClient
from switch.gateway.json_payment import JsonPayment

PATH: Final = "/v1/payments"
OPERATIONS: Final = {  # the last part of the path -> what the gateway calls it
    "void": "void",
    "refunds": "refund",
    "capture": "capture",
    "reverse": "reverse",
}
_CURRENCY_CODES: Final = {name: code for code, name in CURRENCY_NAMES.items()} | {
    code: code for code in CURRENCY_EXPONENTS
}
_RRN: Final = re.compile(rf"[0-9]{{{RRN_DIGITS}}}")
_CARD_TOKEN: Final = re.compile(r"[0-9a-f]{64}")  # of its digits no run is a card number's
_MONTHS: Final = range(1, 13)

MerchantId = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Za-z ./_-]{1,15}$",
        description="The merchant (DE 42); may be left out by a client that has only one.",
        examples=["898110154110001"],
    ),
]
AmountMinor = Annotated[
    int, Meta(ge=0, le=AMOUNT_MINOR_MAX, description="Minor units (fen, cents).")
]
Currency = Annotated[str, Meta(description="ISO 4217, letters or digits.", examples=["CNY", "156"])]


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
    """A new payment: a sale, or with `capture: false` a pre-authorization that holds the amount."""

    amount_minor: AmountMinor
    currency: Currency
    merchant_id: MerchantId = ""
    card: CardGiven | None = None
    card_token: Annotated[str, Meta(max_length=128)] = ""
    capture: bool = True

    def __repr__(self) -> str:
        """Hide the card."""
        return f"PaymentOrder({self.merchant_id!r}, <hidden>)"

    __str__ = __repr__


class ChangeOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A void, a capture or a reversal; without an amount it is that of the payment.

    A void or reversal that states an amount is refused unless it is that one; a capture may take up
    to 115 % of what is held.
    """

    merchant_id: MerchantId = ""
    amount_minor: AmountMinor | None = None
    currency: Currency = ""


class RefundOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A refund of a payment or of a part of it; several may follow one another."""

    amount_minor: AmountMinor
    currency: Currency
    merchant_id: MerchantId = ""


_decode_payment = msgspec.json.Decoder(PaymentOrder).decode
_decode_change = msgspec.json.Decoder(ChangeOrder).decode
_decode_refund = msgspec.json.Decoder(RefundOrder).decode


def read_payment(body: bytes, client: ApiClient, key: str) -> JsonPayment:
    """
    Read an order for a new payment.

    Raises:
        ProblemRaised: 400 or 403.
    """
    try:
        order = _decode_payment(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProblemRaised(_invalid_payment(explain_decode_error(error))) from None
    if name := find_named_twice(body):
        raise ProblemRaised(_invalid_payment(f"{name}: it is there twice"))
    merchant_id = choose_merchant(client, order.merchant_id)
    currency = _CURRENCY_CODES.get(order.currency.upper())
    if currency is None:
        raise ProblemRaised(_invalid_payment(_unknown_currency()))
    if (order.card is None) == (not order.card_token):
        raise ProblemRaised(_invalid_payment("card: give either card or card_token"))
    if not _CARD_TOKEN.fullmatch(order.card_token) and holds_issued_number(order.card_token):
        raise ProblemRaised(_invalid_payment("card_token: it looks like a card number"))
    return JsonPayment(
        acquirer=client.acquirer,
        client_id=client.client_id,
        merchant_id=merchant_id,
        idempotency_key=key,
        amount_minor=order.amount_minor,
        currency=currency,
        transaction="sale" if order.capture else "pre-authorization",
        pan=order.card.pan if order.card else "",
        expiration_date=_read_expiry(order.card.expiry) if order.card else "",
        card_token=order.card_token,
        status_url=_status_url(merchant_id, key),
    )


def read_change(name: str, rrn: str, body: bytes, client: ApiClient, key: str) -> JsonPayment:
    """
    Read an order to change the payment `rrn`; `name` is the last part of the path.

    Raises:
        ProblemRaised: 400, 403, or 404 for what cannot be an RRN of ours.
    """
    if not _RRN.fullmatch(rrn):
        detail = f"A payment's rrn has {RRN_DIGITS} digits."
        raise ProblemRaised(make_problem(404, "payment-not-found", detail))
    operation = OPERATIONS[name]
    order: ChangeOrder | RefundOrder
    try:
        order = _decode_refund(body) if operation == "refund" else _decode_change(body or b"{}")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProblemRaised(_invalid_change(explain_decode_error(error))) from None
    if twice := body and find_named_twice(body):
        raise ProblemRaised(_invalid_change(f"{twice}: it is there twice"))
    merchant_id = choose_merchant(client, order.merchant_id)
    if (order.amount_minor is None) != (not order.currency):
        raise ProblemRaised(_invalid_change("currency: amount_minor and currency go together"))
    currency = _CURRENCY_CODES.get(order.currency.upper()) if order.currency else ""
    if currency is None:
        raise ProblemRaised(_invalid_change(_unknown_currency()))
    return JsonPayment(
        acquirer=client.acquirer,
        client_id=client.client_id,
        merchant_id=merchant_id,
        idempotency_key=key,
        operation=operation,
        original_rrn=rrn,
        amount_minor=order.amount_minor,
        currency=currency,
        status_url=_status_url(merchant_id, key),
    )


def choose_merchant(client: ApiClient, merchant_id: str) -> str:
    """
    Return the merchant that a client means; left out, it is the client's only one.

    Raises:
        ProblemRaised: 400 if none is named of several, 403 if it is not the client's.
    """
    if not merchant_id:
        if len(client.merchants) == 1:
            return client.merchants[0]
        detail = "Nothing was done; name one of your merchants."
        errors = ("merchant_id: your API key covers several merchants, or none",)
        raise ProblemRaised(make_problem(400, "invalid-request", detail, errors))
    if merchant_id not in client.merchants:
        detail = f"Your API key does not cover merchant {merchant_id}."
        raise ProblemRaised(make_problem(403, "merchant-not-yours", detail))
    return merchant_id


def _status_url(merchant_id: str, key: str) -> str:
    return f"{PATH}?{urlencode({'merchant_id': merchant_id, 'idempotency_key': key})}"


def _read_expiry(text: str) -> str:
    expiry = text[3:] + text[:2] if "/" in text else text
    if int(expiry[2:]) not in _MONTHS:
        raise ProblemRaised(_invalid_payment("card.expiry: the month is not 01 to 12"))
    return expiry


def _unknown_currency() -> str:
    return f"currency: not one of {', '.join(sorted(CURRENCY_NAMES.values()))}"


def _invalid_payment(error: str) -> Problem:
    detail = "Nothing was debited; correct the request."
    return make_problem(400, "invalid-request", detail, (error,))


def _invalid_change(error: str) -> Problem:
    detail = "Nothing was changed; correct the request."
    return make_problem(400, "invalid-request", detail, (error,))
