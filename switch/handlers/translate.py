"""
Data elements <-> domain words: the one place where ISO 8583 meets the meaning of a payment.

See docs/iso8583.md 2 (which transaction a message is) and 3 (elements of request and answer),
docs/rules.md 1 (key and fingerprint).
"""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol

from msgspec.structs import replace

from switch.codec import Dialect, Message, Value
from switch.codec.mti import response_mti
from switch.domain.declines import decline_of
from switch.domain.identifiers import MESSAGE_CLASSES, make_client_key, make_idempotency_key
from switch.domain.money import CURRENCY_EXPONENTS, Money
from switch.domain.payment.payment import Payment
from switch.domain.payment.requests import Answer, OriginalReference, PaymentRequest
from switch.domain.payment.rules import DecisionRules, format_local_time
from switch.domain.reasons import Reason
from switch.domain.transactions import TransactionType
from switch.eventlog.inbound import RequestReceived
from switch.handlers.consistency import find_breach

JSON_CHANNEL: Final = "json"

# (MTI, DE 3, DE 25, DE 60.1) -> what it is; a reversal has the keys of its original
_TRANSACTIONS: Final = {
    ("0200", "310000", "00", "01"): TransactionType.BALANCE_INQUIRY,
    ("0200", "000000", "00", "22"): TransactionType.SALE,
    ("0200", "000000", "64", "22"): TransactionType.INSTALMENT_SALE,
    ("0200", "200000", "00", "23"): TransactionType.SALE_VOID,
    ("0220", "200000", "00", "25"): TransactionType.REFUND,
    ("0100", "030000", "06", "10"): TransactionType.PRE_AUTHORIZATION,
    ("0100", "200000", "06", "11"): TransactionType.PRE_AUTHORIZATION_VOID,
    ("0200", "000000", "06", "20"): TransactionType.COMPLETION,
    ("0200", "200000", "06", "21"): TransactionType.COMPLETION_VOID,
    ("0220", "000000", "06", "24"): TransactionType.COMPLETION_ADVICE,
    ("0220", "000000", "00", "36"): TransactionType.OFFLINE_ADVICE,
    ("0220", "000000", "00", "32"): TransactionType.ADJUSTMENT_ADVICE,
    ("0220", "000000", "00", "34"): TransactionType.ADJUSTMENT_ADVICE,
    ("0220", "000000", "00", "30"): TransactionType.OFFLINE_ADVICE,
}
# dialects without DE 60.1 tell by the rest
_BY_MTI: Final = {key[:3]: kind for key, kind in _TRANSACTIONS.items()}  # the last one counts
_ELECTRONIC_CASH_REFUND: Final = ("0200", "200000", "00", "27")
_REVERSED: Final = {key[1:]: kind for key, kind in _TRANSACTIONS.items()}
_REVERSED_BARE: Final = {key[1:3]: kind for key, kind in reversed(_TRANSACTIONS.items())}

_PAYMENT_MTIS: Final = frozenset({"0100", "0200", "0220"})
_MANDATORY: Final = {
    "processing_code": 3,
    "stan": 11,
    "terminal_id": 41,
    "merchant_id": 42,
    "currency": 49,
}
_INQUIRY_CODE: Final = "310000"
ECHOED_OF_REVERSAL: Final = frozenset(
    {
        "processing_code",
        "amount_transaction",
        "transmission_time",
        "stan",
        "pos_condition_code",
        "terminal_id",
        "merchant_id",
        "currency",
        "batch_data",
    }
)
_ECHOED_OF_PAYMENT: Final = ECHOED_OF_REVERSAL | {"pan", "expiration_date"}
_CARD_ORGANISATION: Final = "CUP"
AUTHORIZATION_CHARS: Final = 6  # DE 38, filled up with blanks
_BALANCES_CHARS_MAX: Final = 40  # DE 54: an issuer may name six, a terminal has room for two
_REMARK_CHARS_MAX: Final = 123  # DE 63: card organisation 3 + remark 120


class NotUnderstood(Exception):
    """The message cannot be used; the text names the data element and the rule, never content."""


class Fingerprints(Protocol):
    """The keyed hash that makes a fingerprint."""

    def fingerprint(self, parts: Sequence[str]) -> str:
        """Return the hex HMAC of the parts."""
        ...


def origin_free(mti: str) -> str:
    """Take the origin digit off: 0201 asks the same as 0200."""
    return mti[:3] + "0"


def read_request(
    received: RequestReceived,
    dialect: Dialect | None,
    fingerprints: Fingerprints,
    chip_counter: str,
    key_version: int = 0,
) -> PaymentRequest:
    """
    Read an inbound message as a payment request or a reversal.

    `chip_counter` is tag 9F36 of DE 55 (hex), empty without a chip; `key_version` names the working
    keys that its MAC was proven with.

    Raises:
        NotUnderstood: a mandatory element is missing or cannot be used.
    """
    if received.channel == JSON_CHANNEL:
        return _read_json(received, fingerprints)
    assert dialect is not None
    fields = received.fields
    is_reversal = received.mti[1] == "4"
    _check_presence(received, is_reversal=is_reversal)
    has_batch = "batch_data" in dialect.specs
    parts = _split(dialect, "batch_data", fields)
    batch = _read_batch(fields, parts, has_batch=has_batch)
    original = _read_original(dialect, fields)
    if is_reversal and original is None and not parts:
        raise NotUnderstood("DE 90 original_data_elements is missing")
    transaction = _read_transaction(received.mti, fields, parts)
    if not is_reversal and (breach := find_breach(received, transaction, has_batch=has_batch)):
        raise NotUnderstood(breach)
    return PaymentRequest(
        idempotency_key=_make_key(received, batch),
        fingerprint=_fingerprint(received, parts, fingerprints, chip_counter),
        channel=received.channel,
        acquirer=received.acquirer,
        merchant_id=fields["merchant_id"],
        terminal_id=fields["terminal_id"],
        batch=batch,
        stan=fields["stan"],
        transaction=transaction,
        received_at=received.received_at,
        start_before=received.start_before,
        deadline_at=received.deadline_at,
        amount=_read_amount(fields),
        card=received.card,
        mti=received.mti,
        processing_code=fields["processing_code"],
        pos_entry_mode=fields.get("pos_entry_mode", ""),
        pos_condition_code=fields.get("pos_condition_code", ""),
        merchant_type=fields.get("merchant_type", ""),
        local_time=fields.get("local_time", ""),
        local_date=fields.get("local_date", ""),
        reversal_reason=fields.get("response_code", "") if is_reversal else "",
        original=original,
        partial_approval_accepted=parts.get("partial_approval", "") == "1",
        transaction_code=parts.get("transaction_code", ""),
        key_version=key_version,
    )


def _check_presence(received: RequestReceived, *, is_reversal: bool) -> None:
    """Refuse what lacks an element that every payment and every reversal needs."""
    fields = received.fields
    if not all(map(fields.get, _MANDATORY)):
        name = next(name for name in _MANDATORY if not fields.get(name))
        raise NotUnderstood(f"DE {_MANDATORY[name]} {name} is missing")
    if not fields.get("amount_transaction") and fields["processing_code"] != _INQUIRY_CODE:
        raise NotUnderstood("DE 4 amount_transaction is missing")
    if received.card is None and not is_reversal:
        raise NotUnderstood("DE 2 pan is missing, and no track or chip data give it")


def _read_batch(fields: dict[str, str], parts: Mapping[str, str], *, has_batch: bool) -> str:
    """Give the batch, or the day where there are none: either is part of the key."""
    if has_batch and not parts:
        raise NotUnderstood("DE 60 batch_data is missing")
    batch = parts["batch"] if parts else fields.get("local_date", "")
    if not batch:
        raise NotUnderstood("DE 13 local_date is missing; without a batch it is part of the key")
    return batch


def _make_key(received: RequestReceived, batch: str) -> str:
    fields = received.fields
    return make_idempotency_key(
        acquirer=received.acquirer,
        merchant_id=fields["merchant_id"],
        terminal_id=fields["terminal_id"],
        batch=batch,
        stan=fields["stan"],
        message_class=MESSAGE_CLASSES[received.mti[1]],
    )


_NO_PARTS: Final[Mapping[str, str]] = MappingProxyType({})


def _split(dialect: Dialect, name: str, fields: dict[str, str]) -> Mapping[str, str]:
    value = fields.get(name)
    return _split_value(dialect, name, value) if value else _NO_PARTS


@functools.lru_cache(maxsize=4_096)  # DE 60 is the same for a terminal's whole batch
def _split_value(dialect: Dialect, name: str, value: str) -> Mapping[str, str]:
    return MappingProxyType(dialect.split(name, value))


def _read_transaction(
    mti: str, fields: dict[str, str], parts: Mapping[str, str]
) -> TransactionType:
    code, condition = fields["processing_code"], fields.get("pos_condition_code") or "00"
    kind = parts.get("transaction_code", "")
    if mti[1] == "4":
        found = _REVERSED.get((code, condition, kind)) if kind else None
        return found or _REVERSED_BARE.get((code, condition), TransactionType.UNKNOWN)
    bare = origin_free(mti)
    if bare not in _PAYMENT_MTIS:
        return TransactionType.UNKNOWN
    if kind:
        if (bare, code, condition, kind) == _ELECTRONIC_CASH_REFUND:
            return TransactionType.REFUND
        return _TRANSACTIONS.get((bare, code, condition, kind), TransactionType.UNKNOWN)
    return _BY_MTI.get((bare, code, condition), TransactionType.UNKNOWN)


def _read_amount(fields: dict[str, str]) -> Money | None:
    if fields["currency"] not in CURRENCY_EXPONENTS:
        raise NotUnderstood("DE 49 currency is not a currency of this switch")
    if not fields.get("amount_transaction"):
        return None
    return Money(int(fields["amount_transaction"]), fields["currency"])


_QUOTING: Final = frozenset(
    {"original_transaction", "original_data_elements", "rrn", "authorization_id"}
)


def _read_original(dialect: Dialect, fields: dict[str, str]) -> OriginalReference | None:
    if _QUOTING.isdisjoint(fields):
        return None
    quoted = _split(dialect, "original_transaction", fields)
    elements = _split(dialect, "original_data_elements", fields)
    stan = quoted.get("original_stan") or elements.get("original_stan", "")
    rrn, authorization_id = fields.get("rrn", ""), fields.get("authorization_id", "").strip()
    if not (stan or rrn or authorization_id):
        return None
    return OriginalReference(
        rrn=rrn,
        batch=quoted.get("original_batch", ""),
        stan=stan,
        date=quoted.get("original_date") or elements.get("original_transmission_time", "")[:4],
        authorization_id=authorization_id,
    )


def _fingerprint(
    received: RequestReceived,
    parts: Mapping[str, str],
    fingerprints: Fingerprints,
    chip_counter: str,
) -> str:
    """Hash what must be equal in a legal repeat (docs/rules.md 1): no times, no PIN, no MAC."""
    fields = received.fields
    return fingerprints.fingerprint(
        (
            origin_free(received.mti),
            parts.get("transaction_code", ""),
            received.card.lasting_token if received.card else "",
            fields["processing_code"],
            fields.get("amount_transaction", ""),
            fields["currency"],
            fields.get("pos_entry_mode", "")[:2],
            fields.get("pos_condition_code", ""),
            fields.get("rrn", ""),
            fields.get("authorization_id", ""),
            fields.get("original_transaction", ""),
            fields.get("original_data_elements", ""),
            chip_counter,
        )
    )


_JSON_TRANSACTIONS: Final = {
    "void": TransactionType.SALE_VOID,  # or what the original's kind makes of it
    "refund": TransactionType.REFUND,
    "capture": TransactionType.COMPLETION,
    "reverse": TransactionType.UNKNOWN,
}


_MARKS: Final = (
    *("merchant_id", "terminal_id", "local_date", "stan"),
    *("client_id", "idempotency_key", "command_id"),
)


def mark_of(received: RequestReceived) -> str:
    """Name a request whatever is wrong with it, so that a repeat has the same name: 16 hex."""
    fields = received.fields
    batch = fields.get("batch_data", "")[2:8]
    named = (received.acquirer, received.mti[:2], batch, *(fields.get(one, "") for one in _MARKS))
    return hashlib.sha256("|".join(named).encode()).hexdigest()[:16]


def is_reversal(received: RequestReceived) -> bool:
    """Say whether a message takes back another one: an 0400, or a partner's `reverse`."""
    return received.mti[1:2] == "4" or received.fields.get("operation") == "reverse"


def _read_json(received: RequestReceived, fingerprints: Fingerprints) -> PaymentRequest:
    """Read a partner's request; the gateway has checked shapes and the API key."""
    fields = received.fields
    card = received.card
    parts = [
        "json",
        card.lasting_token if card else fields.get("card_token", ""),
        fields.get("amount_minor", ""),
        fields.get("currency", ""),
        fields.get("store_id", ""),
    ]
    operation = fields.get("operation", "")
    transaction = _JSON_TRANSACTIONS.get(operation) or TransactionType(
        fields.get("transaction", "sale")
    )
    if operation or transaction is not TransactionType.SALE:
        parts += [operation, transaction.value, fields.get("original_rrn", "")]
    return PaymentRequest(
        idempotency_key=make_client_key(
            client=fields["client_id"],
            merchant_id=fields["merchant_id"],
            idempotency_key=fields["idempotency_key"],
        ),
        fingerprint=fingerprints.fingerprint(parts),
        channel=JSON_CHANNEL,
        acquirer=received.acquirer,
        merchant_id=fields["merchant_id"],
        transaction=transaction,
        received_at=received.received_at,
        start_before=received.start_before,
        deadline_at=received.deadline_at,
        amount=Money(int(fields["amount_minor"]), fields["currency"])
        if "amount_minor" in fields
        else None,
        card=card,
        original=OriginalReference(rrn=fields["original_rrn"])
        if "original_rrn" in fields
        else None,
    )


_VOIDS: Final = {
    TransactionType.PRE_AUTHORIZATION: TransactionType.PRE_AUTHORIZATION_VOID,
    TransactionType.COMPLETION: TransactionType.COMPLETION_VOID,
    TransactionType.COMPLETION_ADVICE: TransactionType.COMPLETION_VOID,
}


def complete_request(request: PaymentRequest, original: Payment) -> PaymentRequest:
    """
    Fill in what a partner need not repeat of the payment that it names: card, amount, kind.

    A terminal states them all; then they stay as they are, to be compared.
    """
    asked = original.request
    if request.channel != JSON_CHANNEL or not _is_same_shop(request, asked):
        return request  # nothing of another merchant's card ever gets into this one's request
    amount, minor = original.amount, original.approved_minor
    amount = Money(minor, amount.currency) if amount is not None and minor else None
    transaction = request.transaction
    if transaction is TransactionType.SALE_VOID:
        transaction = _VOIDS.get(original.transaction, transaction)
    return replace(
        request,
        transaction=transaction,
        card=request.card or asked.card,
        amount=request.amount or amount,
    )


def _is_same_shop(request: PaymentRequest, other: PaymentRequest) -> bool:
    return (request.acquirer, request.merchant_id) == (other.acquirer, other.merchant_id)


def echoed_names(mti: str) -> frozenset[str]:
    """Name the elements of a message of this type that its answer repeats."""
    return ECHOED_OF_REVERSAL if mti[1] == "4" else _ECHOED_OF_PAYMENT


def build_answer(
    mti: str,
    echoed: Mapping[str, Value],
    answer: Answer,
    rules: DecisionRules,
    institution_id: str,
) -> Message:
    """
    Build the answer to a message of type `mti`; `echoed` are its own elements of `echoed_names`.

    The MAC element is not set; whoever holds the key adds it.
    """
    local_time, local_date = format_local_time(answer.at, rules)
    fields: dict[str, Value] = {
        **echoed,
        "local_time": local_time,
        "local_date": local_date,
        "acquirer_id": institution_id,
        "response_code": answer.response_code,
    }
    if answer.settlement_date:
        fields["settlement_date"] = answer.settlement_date
    if answer.rrn:
        fields["rrn"] = answer.rrn
    if answer.authorization_id:
        fields["authorization_id"] = answer.authorization_id.ljust(AUTHORIZATION_CHARS)
    if answer.amount is not None:
        fields["amount_transaction"] = f"{answer.amount.minor:012d}"
    if answer.balance:
        fields["additional_amounts"] = answer.balance[:_BALANCES_CHARS_MAX]
    if mti[1] != "4":
        fields["private_63"] = write_remark(answer)
    return Message(mti=response_mti(mti), fields=fields)


def write_remark(answer: Answer) -> str:
    """DE 63: card organisation, then the reason of a refusal, or the warning of an approval."""
    if not answer.reason and not answer.detail:
        return _CARD_ORGANISATION
    text = ": ".join(part for part in (answer.reason, answer.detail) if part)
    return (_CARD_ORGANISATION + text.encode("ascii", "replace").decode())[:_REMARK_CHARS_MAX]


def processing_requirement(answer: Answer) -> int:
    """Tell a UnionPay terminal through its header what to do next: 3 = sign on again."""
    return 3 if answer.response_code in _SIGN_ON_AGAIN else 0


_SIGN_ON_AGAIN: Final = frozenset(
    {decline_of(Reason.MAC_INVALID).response_code, decline_of(Reason.BATCH_MISMATCH).response_code}
)
