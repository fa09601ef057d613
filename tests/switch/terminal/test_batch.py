"""The terminal's own book: what counts, what is uploaded, what can be quoted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.domain.transactions import Side
from switch.terminal.batch import (
    SIDE_COUNT_MAX,
    UPLOAD_ITEM_COUNT_MAX,
    BatchTotals,
    KeptPayment,
    add_up,
    find_original,
    is_full,
    order_on,
    page_upload,
)
from switch.terminal.operations import PAYMENT_ROWS, Operation

PAN = "6200000000000005"
KEPT_OPERATIONS = sorted(
    PAYMENT_ROWS.keys() - {Operation.BALANCE, Operation.SCRIPT_NOTICE},
    key=lambda operation: operation.value,
)


def kept(operation: Operation = Operation.SALE, stan: int = 1, **changes: Any) -> KeptPayment:
    fields: dict[str, Any] = {
        "operation": operation,
        "mti": PAYMENT_ROWS[operation].mti,
        "batch": "000001",
        "stan": f"{stan:06d}",
        "amount_minor": 100,
        "currency": "156",
        "pan": PAN,
        "rrn": f"01000000{stan:04d}",
        "authorization_id": f"A{stan:05d}",
        "date": "1115",
        **changes,
    }
    return KeptPayment(**fields)


def test_the_book_hides_the_card() -> None:
    assert PAN not in repr(kept())


def test_debits_and_credits_are_added_up_apart_and_reversed_ones_not_at_all() -> None:
    payments = [
        kept(Operation.SALE, 1, amount_minor=10_000),
        kept(Operation.SALE, 2, amount_minor=2_500),
        kept(Operation.VOID, 3, amount_minor=2_500),
        kept(Operation.SALE, 4, amount_minor=7, is_reversed=True),
        kept(Operation.PRE_AUTHORIZATION, 5, amount_minor=9),
        kept(Operation.SALE, 6, amount_minor=11, batch="000002"),
    ]
    assert add_up(payments, "000001") == BatchTotals(12_500, 2, 2_500, 1)


@pytest.mark.parametrize("operation", KEPT_OPERATIONS)
def test_each_operation_counts_on_its_side(operation: Operation) -> None:
    totals = add_up([kept(operation)], "000001")
    side = PAYMENT_ROWS[operation].side
    assert (
        totals
        == {
            Side.DEBIT: BatchTotals(100, 1, 0, 0),
            Side.CREDIT: BatchTotals(0, 0, 100, 1),
            Side.NEITHER: BatchTotals(),
        }[side]
    )


def test_a_batch_is_full_when_one_side_cannot_be_counted_any_further() -> None:
    full = [kept(stan=stan) for stan in range(SIDE_COUNT_MAX)]
    assert is_full(full, "000001")
    assert not is_full(full[1:], "000001")
    assert not is_full(full, "000002")
    assert not is_full([*full[1:], kept(Operation.VOID)], "000001")


@given(count=st.integers(0, 40))
def test_pages_hold_every_counted_payment_once_in_order(count: int) -> None:
    payments = [kept(stan=stan) for stan in range(count)]
    pages = page_upload(payments, "000001")
    assert all(1 <= len(page) <= UPLOAD_ITEM_COUNT_MAX for page in pages)
    uploaded = [item["item_stan"] for page in pages for item in page]
    assert uploaded == [payment.stan for payment in payments]


def test_a_void_finds_the_last_sale_that_still_stands() -> None:
    payments = [
        kept(stan=1),
        kept(stan=2),
        kept(Operation.VOID, 3, original_rrn="010000000002"),
        kept(stan=4, is_reversed=True),
        kept(Operation.PRE_AUTHORIZATION, 5),
    ]
    found = find_original(payments, Operation.VOID)
    assert found is not None
    assert found.stan == "000001"


def test_a_reversed_void_leaves_its_sale_to_be_voided_again() -> None:
    payments = [
        kept(stan=1),
        kept(Operation.VOID, 2, original_rrn="010000000001", is_reversed=True),
    ]
    found = find_original(payments, Operation.VOID)
    assert found is not None
    assert found.stan == "000001"


def test_a_part_refunded_sale_is_refunded_further() -> None:
    payments = [
        kept(stan=1),
        kept(stan=2),
        kept(Operation.REFUND, 3, original_rrn="010000000002", amount_minor=10),
    ]
    found = find_original(payments, Operation.REFUND)
    assert found is not None
    assert found.stan == "000002"


def test_what_is_named_is_found_even_if_it_was_voided() -> None:
    payments = [kept(stan=1), kept(Operation.VOID, 2, original_rrn="010000000001")]
    assert find_original(payments, Operation.VOID) is None
    for names in (
        {"stan": "000001"},
        {"rrn": "010000000001"},
        {"stan": "000001", "batch": "000001"},
    ):
        found = find_original(payments, Operation.VOID, **names)
        assert found is not None
        assert found.stan == "000001"
    assert find_original(payments, Operation.VOID, stan="000001", batch="000009") is None


@pytest.mark.parametrize(
    ("operation", "original"),
    [
        (Operation.VOID, Operation.SALE),
        (Operation.REFUND, Operation.OFFLINE),
        (Operation.COMPLETION, Operation.PRE_AUTHORIZATION),
        (Operation.COMPLETION_ADVICE, Operation.PRE_AUTHORIZATION),
        (Operation.PRE_AUTHORIZATION_VOID, Operation.PRE_AUTHORIZATION),
        (Operation.COMPLETION_VOID, Operation.COMPLETION),
        (Operation.TIP, Operation.SALE),
        (Operation.E_CASH_REFUND, Operation.E_CASH_SALE),
    ],
)
def test_each_operation_finds_only_what_it_may_concern(
    operation: Operation, original: Operation
) -> None:
    payments = [kept(each, stan) for stan, each in enumerate(KEPT_OPERATIONS)]
    allowed = PAYMENT_ROWS[operation].originals
    assert original in allowed
    payments = [payment for payment in payments if payment.operation not in allowed - {original}]
    found = find_original(payments, operation)
    assert found is not None
    assert found.operation is original


def test_an_adjustment_counts_with_the_new_total_that_it_states() -> None:
    payments = [kept(stan=1, amount_minor=100), kept(Operation.TIP, 2, amount_minor=120)]
    assert add_up(payments, "000001") == BatchTotals(220, 2)


def test_an_order_on_a_payment_takes_its_card_and_amount_and_quotes_it() -> None:
    payment = kept(stan=7, expiration_date="3012")
    order = order_on(payment, Operation.VOID)
    assert (order.pan, order.amount_minor, order.expiration_date) == (PAN, 100, "3012")
    assert order.original is not None
    assert (order.original.stan, order.original.rrn) == ("000007", "010000000007")
    assert order_on(payment, Operation.REFUND, 40).amount_minor == 40
