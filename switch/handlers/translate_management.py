"""
Data elements <-> domain words of messages that are no payments: 08xx, 05xx, 03xx, 06xx.

See docs/iso8583.md 2 and 5. Which of them a message is, is said by its class and DE 60.3 (on a
dialect without batches by DE 70).
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from switch.codec import Dialect, Message
from switch.codec.mti import response_mti
from switch.codec.tlv import TlvError, decode_tlv, find_tlv
from switch.domain.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN, Card, holds_issued_number
from switch.domain.identifiers import MESSAGE_CLASSES, make_idempotency_key
from switch.domain.money import CURRENCY_EXPONENTS
from switch.domain.payment.requests import Answer, OriginalReference
from switch.domain.payment.rules import DecisionRules, format_local_time
from switch.domain.terminal.batches import as_written
from switch.domain.terminal.requests import BatchTotals, Operation, TerminalRequest, UploadItem
from switch.domain.terminal.state import ClosedBatch
from switch.eventlog.inbound import RequestReceived
from switch.handlers.translate import (
    ECHOED_OF_REVERSAL,
    Fingerprints,
    NotUnderstood,
    origin_free,
    write_remark,
)

# second digits of the MTIs that are no payments, and of those that never carry a MAC
MANAGEMENT_CLASSES: Final = frozenset("3568")
UNPROVEN_CLASSES: Final = frozenset("58")

_OPERATIONS: Final = {
    ("0800", "001"): Operation.SIGN_ON,
    ("0800", "003"): Operation.SIGN_ON,
    ("0800", "004"): Operation.SIGN_ON,
    ("0800", "006"): Operation.SIGN_ON,
    ("0800", "301"): Operation.ECHO,
    ("0820", "301"): Operation.ECHO,
    ("0820", "002"): Operation.SIGN_OFF,
    ("0500", "201"): Operation.SETTLEMENT,
    ("0320", "201"): Operation.UPLOAD,  # lists of transactions read from magnetic stripes
    ("0320", "203"): Operation.UPLOAD,  # one read from a chip, of a balanced batch
    ("0320", "205"): Operation.UPLOAD,  # of one that is not
    ("0320", "206"): Operation.UPLOAD,  # one that the terminal was told of only
    ("0320", "202"): Operation.UPLOAD_END,
    ("0320", "207"): Operation.UPLOAD_END,
    ("0620", "951"): Operation.SCRIPT_NOTICE,
}
_UPLOAD_LIST: Final = "201"
_TOTALS: Final = "additional_data_private"
_TOTALS_DIGITS: Final = 62
_SCRIPT_RESULT_TAG: Final = "DF31"
_HIDDEN: Final = "hidden"  # in place of what may be a card number
_SCRIPT_RESULT_BYTES_MAX: Final = 42

# what an operation cannot do without, besides DE 11, 41, 42 (the gateway's) and DE 60
_MANDATORY: Final[Mapping[Operation, tuple[tuple[int, str], ...]]] = {
    Operation.SETTLEMENT: ((48, _TOTALS), (49, "currency")),
    Operation.UPLOAD_END: ((48, _TOTALS),),
}
_MANDATORY_IN_LIST: Final = ((48, _TOTALS),)
_MANDATORY_IN_SINGLE: Final = ((2, "pan"), (4, "amount_transaction"))
_ECHOED: Final = ECHOED_OF_REVERSAL | {"network_code"}
BALANCED_FLAG: Final = "1"
UNBALANCED_FLAG: Final = "2"

Protect = Callable[[str], Card]


def is_management(received: RequestReceived) -> bool:
    """Say whether a message is about the terminal or its batch, not about a payment."""
    return received.mti[1:2] in MANAGEMENT_CLASSES


def read_terminal_request(
    received: RequestReceived,
    message: Message,
    dialect: Dialect,
    fingerprints: Fingerprints,
    protect: Protect,
    *,
    key_version: int,
) -> TerminalRequest:
    """
    Read a message that is no payment; `message` is the whole of it, `received` what the log holds.

    Card numbers of an upload are turned into tokens by `protect` here and go nowhere else.

    Raises:
        NotUnderstood: an element is missing or cannot be used.
        CodecError: a composite element does not fit its parts.
    """
    fields = received.fields
    parts = _split_batch(dialect, fields)
    network_code = parts.get("network_code") or fields.get("network_code", "")
    mti = origin_free(received.mti)
    operation = _OPERATIONS.get((mti, network_code), Operation.UNKNOWN)
    if operation not in {Operation.ECHO, Operation.UNKNOWN} and not parts:
        raise NotUnderstood("DE 60 batch_data is missing")
    _check_mandatory(operation, network_code, message)
    totals = str(message.fields.get(_TOTALS, ""))
    script_result = _read_script_result(message) if operation is Operation.SCRIPT_NOTICE else ""
    request = TerminalRequest(
        operation=operation,
        idempotency_key=make_idempotency_key(
            acquirer=received.acquirer,
            merchant_id=fields["merchant_id"],
            terminal_id=fields["terminal_id"],
            batch=parts.get("batch", ""),
            stan=fields["stan"],
            message_class=MESSAGE_CLASSES[received.mti[1]],
        ),
        fingerprint=_fingerprint(received, network_code, totals or script_result, fingerprints),
        channel=received.channel,
        acquirer=received.acquirer,
        merchant_id=fields["merchant_id"],
        terminal_id=fields["terminal_id"],
        stan=fields["stan"],
        mti=received.mti,
        received_at=received.received_at,
        deadline_at=received.deadline_at,
        network_code=network_code,
        batch=parts.get("batch", ""),
        currency=fields.get("currency", ""),
        key_version=key_version,
        script_result=script_result,
    )
    return _with_content(request, received, totals, dialect, protect)


def _with_content(
    request: TerminalRequest,
    received: RequestReceived,
    totals: str,
    dialect: Dialect,
    protect: Protect,
) -> TerminalRequest:
    """Add what only this kind of request says."""
    match request.operation:
        case Operation.SETTLEMENT:
            return replace(request, claimed=_read_totals(dialect, totals))
        case Operation.UPLOAD:
            items = _read_items(received, request.network_code, totals, dialect, protect)
            return replace(request, items=items)
        case Operation.UPLOAD_END:
            count = int(dialect.split("upload_end", totals)["upload_count"])
            return replace(request, item_count=count)
        case Operation.SCRIPT_NOTICE:
            original = _read_original(dialect, received.fields)
            return replace(request, card=received.card, original=original)
        case _:
            return request


def _split_batch(dialect: Dialect, fields: Mapping[str, str]) -> dict[str, str]:
    value = fields.get("batch_data")
    return dialect.split("batch_data", value) if value else {}


def _check_mandatory(operation: Operation, network_code: str, message: Message) -> None:
    wanted = _MANDATORY.get(operation, ())
    if operation is Operation.UPLOAD:
        wanted = _MANDATORY_IN_LIST if network_code == _UPLOAD_LIST else _MANDATORY_IN_SINGLE
    for number, name in wanted:
        if not message.fields.get(name):
            raise NotUnderstood(f"DE {number} {name} is missing")
    currency = message.fields.get("currency")
    if currency and currency not in CURRENCY_EXPONENTS:
        raise NotUnderstood("DE 49 currency is not a currency of this switch")


def _fingerprint(
    received: RequestReceived, network_code: str, content: str, fingerprints: Fingerprints
) -> str:
    """Hash what must be equal in a repeat: no times, no MAC."""
    fields = received.fields
    return fingerprints.fingerprint(
        (
            origin_free(received.mti),
            network_code,
            received.card.lasting_token if received.card else "",
            fields.get("processing_code", ""),
            fields.get("amount_transaction", ""),
            fields.get("currency", ""),
            fields.get("rrn", ""),
            fields.get("original_transaction", ""),
            content,
        )
    )


def _read_totals(dialect: Dialect, text: str) -> BatchTotals:
    """Read the terminal's totals; cards of here and from abroad are added up."""
    if len(text) != _TOTALS_DIGITS:
        raise NotUnderstood(f"DE 48 {_TOTALS} has not {_TOTALS_DIGITS} digits")
    parts = {
        name: int(value)
        for name, value in dialect.split(_TOTALS, text).items()
        if not name.endswith("flag")
    }
    return BatchTotals(
        debit_minor=parts["debit_amount"] + parts["foreign_debit_amount"],
        debit_count=parts["debit_count"] + parts["foreign_debit_count"],
        credit_minor=parts["credit_amount"] + parts["foreign_credit_amount"],
        credit_count=parts["credit_count"] + parts["foreign_credit_count"],
    )


def _read_items(
    received: RequestReceived, network_code: str, text: str, dialect: Dialect, protect: Protect
) -> tuple[UploadItem, ...]:
    if network_code != _UPLOAD_LIST:
        return (_read_single(received, dialect),)
    groups = dialect.split_groups("upload_list", text)
    if int(text[:2]) != len(groups):
        raise NotUnderstood(f"DE 48 {_TOTALS} counts other transactions than it lists")
    return tuple(_read_listed(group, protect) for group in groups)


def _read_listed(group: Mapping[str, str], protect: Protect) -> UploadItem:
    pan = group["item_pan"].lstrip("0")
    is_pan = PAN_DIGITS_MIN <= len(pan) <= PAN_DIGITS_MAX
    card = protect(pan) if is_pan else None
    return _make_item(group["item_stan"], group["item_amount"], card)


def _read_single(received: RequestReceived, dialect: Dialect) -> UploadItem:
    """Read one transaction; its trace number is quoted in DE 61, else it is the message's own."""
    original = _read_original(dialect, received.fields)
    quoted = original.stan if original and original.stan.strip("0") else ""
    stan = quoted or received.fields["stan"]
    return _make_item(stan, received.fields["amount_transaction"], received.card)


def _make_item(stan: str, amount: str, card: Card | None) -> UploadItem:
    if card is None:
        return UploadItem(stan=stan, amount_minor=int(amount))
    return UploadItem(
        stan=stan,
        amount_minor=int(amount),
        token=card.token,
        token_key_id=card.token_key_id,
        masked_pan=card.masked_pan,
    )


def _read_original(dialect: Dialect, fields: Mapping[str, str]) -> OriginalReference | None:
    text, rrn = fields.get("original_transaction", ""), fields.get("rrn", "")
    parts = dialect.split("original_transaction", text) if text else {}
    if not (parts or rrn):
        return None
    return OriginalReference(
        rrn=rrn,
        batch=parts.get("original_batch", ""),
        stan=parts.get("original_stan", ""),
        date=parts.get("original_date", ""),
    )


def _read_script_result(message: Message) -> str:
    """Take what became of the issuer's commands; of the chip's data nothing else is kept."""
    data = message.fields.get("icc_data", b"")
    try:
        found = find_tlv(decode_tlv(data), _SCRIPT_RESULT_TAG) if isinstance(data, bytes) else None
    except TlvError as error:
        raise NotUnderstood("DE 55 icc_data is not well-formed BER-TLV") from error
    result = found.value[:_SCRIPT_RESULT_BYTES_MAX].hex() if found else ""
    return _HIDDEN if holds_issued_number(result) else result


# -- answers --------------------------------------------------------------------------------------


def build_management_answer(
    request: Message,
    answer: Answer,
    rules: DecisionRules,
    institution_id: str,
    additions: Mapping[str, str],
) -> Message:
    """
    Build the answer to a message that is no payment; echoed fields are that message's own.

    `additions` are elements that only this answer has. The MAC element is not set.
    """
    asked = request.fields
    fields: dict[str, str | bytes] = {name: asked[name] for name in _ECHOED if name in asked}
    fields["local_time"], fields["local_date"] = format_local_time(answer.at, rules)
    fields["acquirer_id"] = institution_id
    fields["response_code"] = answer.response_code
    if answer.settlement_date and request.mti[1] == "5":
        fields["settlement_date"] = answer.settlement_date
    if answer.rrn:
        fields["rrn"] = answer.rrn
    if answer.reason:
        fields["private_63"] = write_remark(answer)
    fields.update(additions)
    return Message(mti=response_mti(request.mti), fields=fields)


def write_sign_on(
    request: TerminalRequest, batch: str, wrapped: bytes, dialect: Dialect
) -> dict[str, str]:
    """Write what only the answer to a sign-on has: the open batch, and the working keys."""
    additions = {
        "batch_data": dialect.join(
            "batch_data",
            {"transaction_code": "00", "batch": batch, "network_code": request.network_code},
        )
    }
    if wrapped:
        additions["private_62"] = wrapped.decode("latin-1")
    return additions


def write_totals(closed: ClosedBatch, dialect: Dialect, *, is_balanced: bool) -> dict[str, str]:
    """Write what only the answer to a 0500 has: the switch's totals, and whether they agree."""
    totals = as_written(closed.totals)
    flag = BALANCED_FLAG if is_balanced else UNBALANCED_FLAG
    text = dialect.join(
        _TOTALS,
        {
            "debit_amount": f"{totals.debit_minor:012d}",
            "debit_count": f"{totals.debit_count:03d}",
            "credit_amount": f"{totals.credit_minor:012d}",
            "credit_count": f"{totals.credit_count:03d}",
            "balance_flag": flag,
            "foreign_debit_amount": "0" * 12,
            "foreign_debit_count": "000",
            "foreign_credit_amount": "0" * 12,
            "foreign_credit_count": "000",
            "foreign_balance_flag": flag,
        },
    )
    return {_TOTALS: text}
