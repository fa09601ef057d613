"""Stories of made journals about terminals themselves: sign-on, batches, uploads, the clock."""

from typing import Final, TypedDict

from msgspec.structs import replace

from loadtest.generated_stories import Record, Steps, Teller
from switch.domain.card import Card
from switch.domain.identifiers import make_idempotency_key
from switch.domain.payment.events import CaseOpened, RequestRefused
from switch.domain.payment.requests import Answer, OriginalReference, PaymentRequest
from switch.domain.registry.entities import SealedKey, SealedWorkingKeys
from switch.domain.terminal.events import (
    BatchChangedLate,
    BatchClosed,
    BatchCutOff,
    ScriptNoticeTaken,
    TerminalAsked,
    TerminalSignedOff,
    TerminalSignedOn,
    UploadCompared,
    UploadOverdue,
    UploadTaken,
)
from switch.domain.terminal.requests import BatchTotals, Operation, TerminalRequest, UploadItem

BATCH: Final = "000001"
NEXT_BATCH: Final = "000002"
_SEALED: Final = b"sealed-working-key"
_KEYS: Final = SealedWorkingKeys(
    scheme="003",
    pik=SealedKey(key_id="w1", sealed=_SEALED, kcv="759368C0"),
    mak=SealedKey(key_id="w1", sealed=_SEALED, kcv="77800CBA"),
)
_MESSAGES: Final = {
    Operation.SIGN_ON: ("0800", "003", "management"),
    Operation.SIGN_OFF: ("0820", "002", "management"),
    Operation.SCRIPT_NOTICE: ("0620", "951", "management"),
    Operation.SETTLEMENT: ("0500", "201", "reconciliation"),
    Operation.UPLOAD: ("0320", "201", "upload"),
    Operation.UPLOAD_END: ("0320", "202", "upload"),
}


def tell_day(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Sign on, sell, end the day by the clock, close the batch balanced, sign off."""
    sale = _at_own_terminal(request)
    yield (
        replace(_ask(teller, rrn, sale, Operation.SIGN_ON, 1), offered=_KEYS),
        TerminalSignedOn(**_till(sale), batch=BATCH, answer=_done(teller, rrn), key_version=1),
    )
    yield from _sell(teller, sale)
    totals = _total(sale)
    yield (
        BatchCutOff(
            **_till(sale),
            batch=BATCH,
            settlement_date="2026-11-22",
            totals=totals,
            at=teller.at,
        ),
    )
    yield _close(teller, sale, totals, totals)
    rrn = teller.next_rrn()
    yield (
        _ask(teller, rrn, sale, Operation.SIGN_OFF, 9),
        TerminalSignedOff(**_till(sale), answer=_done(teller, rrn)),
    )


def tell_refused_sign_on(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Refuse a sign-on for which no key could be made."""
    asked = _ask(teller, rrn, _at_own_terminal(request), Operation.SIGN_ON, 1)
    reason = "master-key-missing"
    answer = Answer(response_code="97", at=teller.at, reason=reason)
    yield (
        replace(asked, fault=reason),
        RequestRefused(
            channel=asked.request.channel,
            acquirer=asked.request.acquirer,
            merchant_id=asked.request.merchant_id,
            terminal_id=asked.request.terminal_id,
            stan=asked.request.stan,
            mti=asked.request.mti,
            answer=answer,
            at=teller.at,
        ),
    )


def tell_script_notice(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Sell; the terminal reports what its card's chip made of the issuer's command."""
    sale = _at_own_terminal(request)
    yield teller.route(rrn, sale)
    yield teller.approve(rrn, sale)
    notice = teller.next_rrn()
    asked = _ask(teller, notice, sale, Operation.SCRIPT_NOTICE, 2)
    quoted = OriginalReference(rrn=rrn, batch=BATCH, stan=sale.stan)
    about = replace(
        asked.request, card=sale.card, original=quoted, script_result="DF31052000000000"
    )
    yield (
        replace(asked, request=about),
        ScriptNoticeTaken(
            idempotency_key=about.idempotency_key,
            fingerprint=about.fingerprint,
            answer=_done(teller, notice),
        ),
    )


def tell_unbalanced(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Close a batch in which the terminal has a payment more, and compare its upload."""
    sale = _at_own_terminal(request)
    yield teller.route(rrn, sale)
    yield teller.approve(rrn, sale)
    totals = _total(sale)
    claimed = replace(totals, debit_minor=totals.debit_minor + 700, debit_count=2)
    yield _close(teller, sale, totals, claimed)
    assert sale.card is not None
    items = (
        _item(sale.stan, totals.debit_minor, sale.card),
        _item("999999", 700, sale.card),
    )
    upload = teller.next_rrn()
    asked = _ask(teller, upload, sale, Operation.UPLOAD, 5)
    yield (
        replace(asked, request=replace(asked.request, items=items)),
        UploadTaken(**_till(sale), batch=BATCH, answer=_done(teller, upload), items=items),
    )
    end = teller.next_rrn()
    asked = _ask(teller, end, sale, Operation.UPLOAD_END, 6)
    yield (
        replace(asked, request=replace(asked.request, item_count=2)),
        UploadCompared(
            **_till(sale),
            batch=BATCH,
            answer=_done(teller, end),
            item_count=2,
            uploaded_count=2,
            difference_count=1,
        ),
        _case(teller, sale, "batch-terminal-only"),
    )


def tell_overdue(teller: Teller, rrn: str, request: PaymentRequest) -> Steps:
    """Close a batch while a payment of it runs; it is approved too late, and no upload comes."""
    sale = _at_own_terminal(request)
    yield teller.route(rrn, sale)
    closing = _close(teller, sale, BatchTotals(), _total(sale))
    asked, closed = closing
    assert isinstance(closed, BatchClosed)
    yield (asked, replace(closed, running_count=1))
    yield teller.approve(rrn, sale)
    yield (
        BatchChangedLate(**_till(sale), batch=BATCH, rrn=rrn, at=teller.at),
        replace(_case(teller, sale, "batch-late-approval"), rrn=rrn),
    )
    yield (
        UploadOverdue(**_till(sale), batch=BATCH, at=teller.at),
        _case(teller, sale, "batch-upload-late"),
    )


DAYS: Final = (tell_day, tell_refused_sign_on, tell_script_notice, tell_unbalanced, tell_overdue)


def _at_own_terminal(request: PaymentRequest) -> PaymentRequest:
    """Move a request to a terminal that no other story uses."""
    terminal_id = f"90{request.stan}"
    return replace(
        request,
        terminal_id=terminal_id,
        idempotency_key=_key(request, terminal_id, request.stan, "payment"),
    )


def _key(request: PaymentRequest, terminal_id: str, stan: str, message_class: str) -> str:
    return make_idempotency_key(
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=terminal_id,
        batch=BATCH,
        stan=stan,
        message_class=message_class,
    )


class _Till(TypedDict):
    acquirer: str
    merchant_id: str
    terminal_id: str


def _till(request: PaymentRequest) -> _Till:
    return {
        "acquirer": request.acquirer,
        "merchant_id": request.merchant_id,
        "terminal_id": request.terminal_id,
    }


def _sell(teller: Teller, sale: PaymentRequest) -> Steps:
    rrn = teller.next_rrn()
    yield teller.route(rrn, sale)
    yield teller.approve(rrn, sale)


def _total(sale: PaymentRequest) -> BatchTotals:
    assert sale.amount is not None
    return BatchTotals(debit_minor=sale.amount.minor, debit_count=1)


def _done(teller: Teller, rrn: str) -> Answer:
    return Answer(response_code="00", at=teller.at, rrn=rrn, settlement_date="1122")


def _ask(
    teller: Teller, rrn: str, payment: PaymentRequest, operation: Operation, number: int
) -> TerminalAsked:
    """Let the terminal ask something about itself, under its `number`-th trace number."""
    mti, network_code, message_class = _MESSAGES[operation]
    stan = f"{number:06d}"
    request = TerminalRequest(
        operation=operation,
        idempotency_key=_key(payment, payment.terminal_id, stan, message_class),
        fingerprint=payment.fingerprint,
        channel=payment.channel,
        **_till(payment),
        stan=stan,
        mti=mti,
        received_at=teller.at,
        deadline_at=teller.at + 45_000,
        network_code=network_code,
        batch=BATCH,
        currency="156",
    )
    return TerminalAsked(rrn=rrn, request=request, at=teller.at)


def _close(
    teller: Teller, payment: PaymentRequest, totals: BatchTotals, claimed: BatchTotals
) -> Record:
    rrn = teller.next_rrn()
    asked = _ask(teller, rrn, payment, Operation.SETTLEMENT, 4)
    return (
        replace(asked, request=replace(asked.request, claimed=claimed)),
        BatchClosed(
            **_till(payment),
            batch=BATCH,
            stan=asked.request.stan,
            fingerprint=asked.request.fingerprint,
            totals=totals,
            claimed=claimed,
            is_balanced=totals == claimed,
            answer=_done(teller, rrn),
            next_batch=NEXT_BATCH,
        ),
    )


def _item(stan: str, minor: int, card: Card) -> UploadItem:
    return UploadItem(
        stan=stan,
        amount_minor=minor,
        token=card.token,
        token_key_id=card.token_key_id,
        masked_pan=card.masked_pan,
    )


def _case(teller: Teller, payment: PaymentRequest, kind: str) -> CaseOpened:
    return CaseOpened(
        case_id=f"{kind}-{payment.terminal_id}-{BATCH}",
        kind=kind,
        at=teller.at,
        **_till(payment),
    )
