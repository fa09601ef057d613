"""
Data elements <-> domain words on the issuers' side: what an issuer is sent, and what it answers.

See docs/iso8583.md 7. The terminals' side is `translate.py`; nowhere else do the two meet.
"""

from typing import Final, NamedTuple

from switch.domain.money import Money
from switch.domain.payment.events import IssuerAnswered
from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.rules import DecisionRules, format_local_time
from switch.domain.transactions import TransactionType
from switch.domain.upstream import MatchKey, UpstreamAnswer, UpstreamRequest

NO_TERMINAL: Final = "00000000"  # DE 41 of a partner's payment, which has no terminal


class Upstream(NamedTuple):
    """How a kind of transaction is asked of an issuer (docs/iso8583.md 7)."""

    mti: str
    processing_code: str
    pos_condition_code: str = ""  # empty: as the terminal said


_UPSTREAM: Final = {
    TransactionType.SALE: Upstream("0200", "000000"),
    TransactionType.INSTALMENT_SALE: Upstream("0200", "000000"),
    TransactionType.SALE_VOID: Upstream("0200", "200000"),
    TransactionType.REFUND: Upstream("0220", "200000"),
    TransactionType.BALANCE_INQUIRY: Upstream("0200", "310000"),
    TransactionType.PRE_AUTHORIZATION: Upstream("0100", "030000", "06"),
    TransactionType.PRE_AUTHORIZATION_VOID: Upstream("0100", "200000", "06"),
    TransactionType.COMPLETION: Upstream("0200", "000000", "06"),
    TransactionType.COMPLETION_VOID: Upstream("0200", "200000", "06"),
    TransactionType.COMPLETION_ADVICE: Upstream("0220", "000000", "06"),
    TransactionType.OFFLINE_ADVICE: Upstream("0220", "000000"),
    TransactionType.ADJUSTMENT_ADVICE: Upstream("0220", "000000"),
}
_STAND_IN_ADVICE: Final = Upstream("0220", "000000")


def _upstream_of(payment: Payment) -> Upstream:
    """Choose the message; a sale that the switch has approved by itself is told as an advice."""
    if payment.transaction is TransactionType.SALE and payment.repeat_attempt_count:
        return _STAND_IN_ADVICE
    return _UPSTREAM[payment.transaction]


def upstream_request(
    payment: Payment,
    original: Payment | None,
    rules: DecisionRules,
    institution_id: str,
    secrets: dict[str, str | bytes],
) -> UpstreamRequest:
    """Build the message that asks, or tells, the issuer of a payment; repeats have origin 1."""
    terms = payment.terms
    assert terms is not None
    fields = _upstream_fields(payment, rules, institution_id)
    fields["transmission_time"] = payment.transmission_time
    if original is not None:
        fields["original_data_elements"] = _quote(original, institution_id)
    decided = original.answer if original is not None else payment.answer
    is_quoting = original is not None or payment.advice_open
    if is_quoting and decided is not None and decided.authorization_id:
        fields["authorization_id"] = decided.authorization_id.ljust(_AUTHORIZATION_CHARS)
    mti = _upstream_of(payment).mti
    is_repeat = payment.repeat_attempt_count > 1 or payment.phase is Phase.REPEATING
    return UpstreamRequest(
        link=terms.link,
        match=match_key(payment, "payment"),
        mti=f"{mti[:3]}1" if is_repeat else mti,
        fields=fields,
        card=payment.request.card,
        secrets=secrets,
    )


def upstream_reversal(
    payment: Payment, rules: DecisionRules, institution_id: str
) -> UpstreamRequest:
    """Build the reversal advice for the issuer; from the second attempt on a repeat (0421)."""
    terms = payment.terms
    assert terms is not None
    fields = _upstream_fields(payment, rules, institution_id)
    fields["transmission_time"] = payment.reversal_times[-1]
    fields["original_data_elements"] = _quote(payment, institution_id)
    return UpstreamRequest(
        link=terms.link,
        match=match_key(payment, "reversal"),
        mti="0420" if payment.reversal_attempt_count == 1 else "0421",
        fields=fields,
        card=payment.request.card,
    )


def _quote(payment: Payment, institution_id: str) -> str:
    """Write DE 90: message type, trace number and time of what the issuer was sent before."""
    return (
        f"{_upstream_of(payment).mti}{payment.upstream_stan}{payment.transmission_time}"
        f"{institution_id.rjust(11, '0')}{'0' * 11}"
    )


def match_key(payment: Payment, kind: str) -> MatchKey:
    """Say what the issuer's answer must repeat."""
    terminal_id = payment.request.terminal_id or NO_TERMINAL
    return MatchKey(kind, payment.upstream_stan, payment.rrn, terminal_id)


def _upstream_fields(payment: Payment, rules: DecisionRules, institution_id: str) -> dict[str, str]:
    request, terms = payment.request, payment.terms
    assert terms is not None
    local_time, local_date = format_local_time(request.received_at, rules)
    how = _upstream_of(payment)
    amount = payment.amount
    return {
        "processing_code": how.processing_code,
        "amount_transaction": f"{amount.minor if amount else 0:012d}",
        "stan": payment.upstream_stan,
        "local_time": local_time,
        "local_date": local_date,
        "merchant_type": terms.merchant_type,
        "pos_entry_mode": request.pos_entry_mode or "012",
        "pos_condition_code": how.pos_condition_code or request.pos_condition_code or "00",
        "acquirer_id": institution_id,
        "rrn": payment.rrn,
        "terminal_id": request.terminal_id or NO_TERMINAL,
        "merchant_id": request.merchant_id,
        "currency": amount.currency if amount else _NO_CURRENCY,
    }


_AUTHORIZATION_CHARS: Final = 6
_NO_CURRENCY: Final = "156"  # of an inquiry that names none


def read_issuer_answer(answer: UpstreamAnswer, payment: Payment, at: int) -> IssuerAnswered:
    """Read an issuer's answer; what cannot be trusted says so in `fault`."""
    asked = payment.amount
    fields = answer.fields
    fault = answer.fault
    code = fields.get("response_code", "")
    if not fault and not code:
        fault = "DE 39 response_code is missing"
    digits = fields.get("amount_transaction", "")
    if not fault and digits and not digits.isdecimal():
        fault = "DE 4 amount_transaction is not decimal"
    return IssuerAnswered(
        rrn=payment.rrn,
        response_code=code,
        at=at,
        authorization_id=fields.get("authorization_id", "").strip(),
        settlement_date=fields.get("settlement_date", ""),
        amount=_read_answered_amount(digits, fields.get("currency", ""), asked),
        fault=fault,
        balance=fields.get("additional_amounts", "") if not payment.traits.has_amount else "",
    )


def _read_answered_amount(digits: str, currency: str, asked: Money | None) -> Money | None:
    """Take what the answer states; one that names only a currency means the amount asked for."""
    if asked is None:
        return None
    if digits.isdecimal():
        return Money(int(digits), currency or asked.currency)
    return None if currency in {"", asked.currency} else Money(asked.minor, currency)
