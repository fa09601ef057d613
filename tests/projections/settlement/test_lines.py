from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from projections.position import Place
from projections.settlement import lines
from projections.settlement.lines import PostingsUnbalanced, apply, make_entries
from switch.domain.payment.events import (
    AdviceAccepted,
    IssuerTimedOut,
    PaymentApproved,
    PaymentReversed,
)
from switch.domain.payment.payment import SettlementLine
from switch.domain.payment.requests import Answer
from switch.domain.transactions import TransactionType

SALE = SettlementLine(
    acquirer="48981",
    merchant_id="898110154110001",
    settlement_date="2026-11-22",
    currency="156",
    gross_minor=10_000,
    fee_minor=60,
    terminal_id="00000001",
    batch="000001",
    agent_id="agent-7",
)
PLACE = Place(3, 41)


def negative(line: SettlementLine) -> SettlementLine:
    return SettlementLine(
        acquirer=line.acquirer,
        merchant_id=line.merchant_id,
        settlement_date=line.settlement_date,
        currency=line.currency,
        gross_minor=-line.gross_minor,
        fee_minor=-line.fee_minor,
        terminal_id=line.terminal_id,
        batch=line.batch,
        agent_id=line.agent_id,
        transaction=line.transaction,
    )


def approve(line: SettlementLine) -> PaymentApproved:
    return PaymentApproved(rrn="030000000041", answer=Answer(response_code="00", at=9), line=line)


def test_a_sale_of_100_with_a_fee_of_60_fen_is_posted_as_the_dossier_says():
    rows = apply(approve(SALE), PLACE, 1, 77)
    assert rows is not None
    assert rows.line == (
        3, 41, 1, "030000000041", "approval", 77, "48981", "898110154110001", "00000001",
        "000001", "agent-7", date(2026, 11, 22), "156", 10_000, 60, 9_940, "sale",
    )  # fmt: skip
    assert [(p.entry, p.account, p.owner, p.amount_minor) for p in rows.postings] == [
        (0, "scheme_receivable", "48981", 10_000),
        (1, "merchant_payable", "898110154110001", -9_940),
        (2, "fee_income", "48981", -60),
    ]


amounts = st.integers(1, 999_999_999_999)


@given(gross=amounts, fee=st.integers(0, 999_999_999_999))
def test_the_postings_of_every_event_sum_to_zero_and_a_reversal_mirrors_them(gross, fee):
    line = SettlementLine(
        acquirer="a",
        merchant_id="m",
        settlement_date="2026-11-22",
        currency="156",
        gross_minor=gross,
        fee_minor=fee,
    )
    entries = make_entries(line)
    assert sum(amount for _, _, amount in entries) == 0
    assert make_entries(negative(line)) == [(a, owner, -amount) for a, owner, amount in entries]


def test_a_sale_and_its_reversal_leave_zero_on_every_account():
    sale = apply(approve(SALE), PLACE, 0, 1)
    taken_back = PaymentReversed(rrn="030000000041", at=2, line=negative(SALE))
    back = apply(taken_back, Place(3, 50), 1, 2)
    assert sale is not None
    assert back is not None
    assert back.line.kind == "reversal"
    sums: dict[tuple[str, str], int] = {}
    for posting in (*sale.postings, *back.postings):
        key = (posting.account, posting.owner)
        sums[key] = sums.get(key, 0) + posting.amount_minor
    assert set(sums.values()) == {0}


def test_what_moves_no_money_leaves_no_rows():
    assert apply(PaymentReversed(rrn="1", at=2), PLACE, 0, 1) is None
    assert apply(IssuerTimedOut(rrn="1", cause="timeout", at=1), PLACE, 0, 1) is None


def test_postings_that_do_not_sum_to_zero_stop_the_projection(
    monkeypatch,
):
    monkeypatch.setattr(lines, "make_entries", lambda _: [("fee_income", "a", 1)])
    with pytest.raises(PostingsUnbalanced, match="3/41/0"):
        apply(approve(SALE), PLACE, 0, 1)


def test_a_refund_in_part_returns_its_share_of_the_fee_from_our_income():
    refund = replace(SALE, gross_minor=-4_000, fee_minor=-24, transaction=TransactionType.REFUND)
    rows = apply(approve(refund), PLACE, 1, 77)
    assert rows is not None
    assert (rows.line.kind, rows.line.transaction) == ("refund", "refund")
    assert {p.account: p.amount_minor for p in rows.postings} == {
        "merchant_payable": 3_976,
        "fee_income": 24,
        "scheme_receivable": -4_000,
    }


@pytest.mark.parametrize(
    ("transaction", "kind"),
    [
        (TransactionType.SALE, "approval"),
        (TransactionType.INSTALMENT_SALE, "approval"),
        (TransactionType.COMPLETION, "approval"),
        (TransactionType.COMPLETION_ADVICE, "approval"),
        (TransactionType.OFFLINE_ADVICE, "approval"),
        (TransactionType.ADJUSTMENT_ADVICE, "approval"),
        (TransactionType.SALE_VOID, "void"),
        (TransactionType.COMPLETION_VOID, "void"),
        (TransactionType.REFUND, "refund"),
    ],
)
def test_a_line_says_what_it_is_by_what_settles_and_its_reversal_is_one(transaction, kind):
    line = replace(SALE, transaction=transaction)
    rows = apply(approve(line), PLACE, 1, 77)
    assert (rows.line.kind, rows.line.transaction) == (kind, transaction.value)
    back = apply(PaymentReversed(rrn="1", at=2, line=negative(line)), PLACE, 1, 78)
    assert (back.line.kind, back.line.transaction) == ("reversal", transaction.value)


def test_an_advice_settles_when_it_is_accepted():
    line = replace(SALE, transaction=TransactionType.OFFLINE_ADVICE)
    answer = Answer(response_code="00", at=9)
    rows = apply(AdviceAccepted(rrn="1", cause="offline", answer=answer, line=line), PLACE, 1, 7)
    assert (rows.line.kind, rows.line.gross_minor) == ("approval", 10_000)
    untold = AdviceAccepted(rrn="1", cause="offline", answer=answer)
    assert apply(untold, PLACE, 1, 7) is None


def test_a_sale_its_void_and_the_reversal_of_that_leave_the_sale():
    void = replace(negative(SALE), transaction=TransactionType.SALE_VOID)
    events = (
        approve(SALE),
        approve(void),
        PaymentReversed(rrn="2", at=3, line=negative(void)),
    )
    sums: dict[str, int] = {}
    for event in events:
        for posting in apply(event, PLACE, 0, 1).postings:
            sums[posting.account] = sums.get(posting.account, 0) + posting.amount_minor
    assert sums == {
        "scheme_receivable": 10_000,
        "merchant_payable": -9_940,
        "fee_income": -60,
    }
