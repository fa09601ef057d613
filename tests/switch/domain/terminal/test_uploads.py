import pytest
from msgspec.structs import replace

from switch.domain.cases.kinds import KINDS
from switch.domain.fees import FeePlan
from switch.domain.money import Money
from switch.domain.payment.payment import Phase, RouteTerms
from switch.domain.payment.requests import Answer
from switch.domain.terminal import uploads
from switch.domain.terminal.decide import decide_terminal
from switch.domain.terminal.events import BatchChangedLate, UploadCompared, UploadOverdue
from switch.domain.terminal.requests import BatchTotals, Operation, UploadItem
from switch.domain.terminal.state import ClosedBatch
from switch.domain.terminal.uploads import (
    DIFFERENCES_COUNT_MAX,
    decide_late_change,
    decide_overdue,
    make_case_id,
    says_nothing_new,
)
from switch.domain.transactions import TransactionType

from .conftest import AT, CARD, RULES, TILL

MASK = CARD.masked_pan


def make_item(stan="000123", minor=100, token=CARD.token):
    return UploadItem(
        stan=stan, amount_minor=minor, token=token, token_key_id="k1", masked_pan=MASK
    )


@pytest.fixture
def closed(memory):
    memory.closed = ClosedBatch(
        batch="000007",
        stan="000900",
        fingerprint="f",
        totals=BatchTotals(),
        is_balanced=False,
        answer=Answer(response_code="00", at=AT),
        at=AT,
    )
    return memory.closed


@pytest.fixture
def upload(memory, registry, ask):
    def run(*items):
        fact = ask(Operation.UPLOAD, mti="0320", items=items)
        return decide_terminal(fact, memory, registry, RULES)

    return run


@pytest.fixture
def compare(memory, registry, ask, closed):
    """Compare what was uploaded with the memory's payments; return kinds of cases and all."""

    def run(*items, count=None):
        memory.closed = replace(closed, items=items)
        counted = len(items) if count is None else count
        fact = ask(Operation.UPLOAD_END, mti="0320", item_count=counted)
        compared, *cases = decide_terminal(fact, memory, registry, RULES)
        assert isinstance(compared, UploadCompared)
        return compared, cases

    return run


# -- lists ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("closed")
def test_uploaded_transactions_are_put_on_record(upload):
    [taken] = upload(make_item("000001"), make_item("000002"))
    assert [item.stan for item in taken.items] == ["000001", "000002"]
    assert taken.answer.response_code == "00"


def test_what_is_already_held_is_dropped(memory, closed, upload):
    memory.closed = replace(closed, items=(make_item("000001"),))
    [taken] = upload(make_item("000001"), make_item("000002"))
    assert [item.stan for item in taken.items] == ["000002"]


def test_what_is_held_with_other_content_is_a_case(memory, closed, upload):
    memory.closed = replace(closed, items=(make_item("000001"),))
    taken, case = upload(make_item("000001", minor=999))
    assert taken.items == ()
    assert case.kind == "batch-upload-differs"
    assert MASK in case.detail


@pytest.mark.usefixtures("closed")
def test_one_message_may_contradict_itself(upload):
    taken, case = upload(make_item("000001"), make_item("000001", minor=7))
    assert len(taken.items) == 1
    assert case.kind == "batch-upload-differs"


def test_an_upload_is_bounded_as_its_batch_is(memory, registry, ask, closed):
    memory.closed = replace(closed, items=(make_item("000001"),))
    fact = ask(Operation.UPLOAD, mti="0320", items=(make_item("000002"),))
    [refused] = decide_terminal(fact, memory, registry, replace(RULES, batch_count_max=1))
    assert refused.answer.reason == "batch-mismatch"


def test_a_repeated_list_says_nothing_new(closed, ask):
    held = replace(closed, items=(make_item("000001"),))
    again = ask(Operation.UPLOAD, items=(make_item("000001"),)).request
    other = ask(Operation.UPLOAD, items=(make_item("000001", minor=1),)).request
    assert says_nothing_new(held, again)
    assert not says_nothing_new(held, other)
    assert not says_nothing_new(held, ask(Operation.UPLOAD_END).request)
    assert says_nothing_new(replace(held, is_uploaded=True), other)


# -- the comparison -------------------------------------------------------------------------------


def test_equal_records_leave_no_case(memory, pay, compare):
    memory.payments = [pay("000001"), pay("000002", minor=250)]
    compared, cases = compare(make_item("000001"), make_item("000002", minor=250))
    assert cases == []
    assert (compared.uploaded_count, compared.difference_count) == (2, 0)


def test_what_only_the_terminal_has_is_a_case(compare):
    _, [case] = compare(make_item("000001", minor=300))
    assert (case.kind, case.rrn) == ("batch-terminal-only", "")
    assert case.amount == Money(300, "156")
    assert "STAN 000001, 3.00 CNY on card" in case.detail


def test_an_upload_that_names_no_currency_is_in_that_of_its_batch(
    memory, registry, ask, pay, closed
):
    memory.payments = [pay("000001")]
    items = (make_item("000001"), make_item("000002", minor=300))
    memory.closed = replace(closed, items=items)
    fact = ask(Operation.UPLOAD_END, mti="0320", item_count=2, currency="")
    _, case = decide_terminal(fact, memory, registry, RULES)
    assert case.amount == Money(300, "156")
    assert "3.00 CNY" in case.detail


def test_what_the_terminal_counts_and_the_switch_reversed_is_a_case_of_that_payment(
    memory, pay, compare
):
    memory.payments = [pay("000001", phase=Phase.REVERSED)]
    _, [case] = compare(make_item("000001"))
    assert (case.kind, case.rrn) == ("batch-terminal-only", memory.payments[0].rrn)
    assert case.detail.endswith("the terminal counts it, the switch does not: it is returned")


def test_what_only_the_switch_has_is_a_case_of_that_payment(memory, pay, compare):
    memory.payments = [pay("000001"), pay("000002")]
    _, [case] = compare(make_item("000001"))
    assert (case.kind, case.rrn) == ("batch-host-only", memory.payments[1].rrn)


def test_what_counts_on_no_side_is_not_missed(memory, pay, compare):
    memory.payments = [
        pay("000001", phase=Phase.DECLINED),
        pay("000002", transaction=TransactionType.PRE_AUTHORIZATION),
    ]
    assert compare()[1] == []


def test_two_amounts_are_a_case(memory, pay, compare):
    memory.payments = [pay("000001", minor=100)]
    _, [case] = compare(make_item("000001", minor=101))
    assert case.kind == "batch-amount-differs"
    assert "1.01 CNY on card" in case.detail
    assert "the switch has another amount (1.00 CNY)" in case.detail


def test_two_cards_are_a_case(memory, pay, compare):
    memory.payments = [pay("000001")]
    _, [case] = compare(make_item("000001", token="x" * 64))
    assert case.kind == "batch-card-differs"


def test_a_card_token_of_another_key_is_compared_by_its_mask(memory, pay, compare):
    memory.payments = [pay("000001", card=replace(CARD, token="y", token_key_id="k0"))]
    assert compare(make_item("000001"))[1] == []


def test_an_upload_that_is_not_complete_says_so(memory, pay, compare):
    memory.payments = [pay("000001")]
    compared, cases = compare(make_item("000001"), count=2)
    assert [case.kind for case in cases] == ["batch-upload-incomplete"]
    assert (compared.item_count, compared.uploaded_count) == (2, 1)


def test_a_difference_that_is_found_again_is_the_same_case(memory, pay, compare):
    memory.payments = [pay("000001")]
    assert compare()[1][0].case_id == compare()[1][0].case_id
    other = make_case_id("batch-host-only", TILL, "000007", "000002", "sale")
    assert compare()[1][0].case_id != other


def test_a_case_id_names_the_terminal_too():
    elsewhere = (TILL[0], TILL[1], "00000002")
    assert make_case_id("k", TILL, "000007", "000001", "") != make_case_id(
        "k", elsewhere, "000007", "000001", ""
    )


def test_very_many_differences_are_one_more_case_not_an_endless_record(memory, pay, compare):
    memory.payments = [pay(f"{number:06d}") for number in range(DIFFERENCES_COUNT_MAX + 50)]
    compared, cases = compare()
    assert len(cases) == DIFFERENCES_COUNT_MAX + 1
    assert cases[-1].kind == "batch-more-differences"
    assert compared.difference_count == DIFFERENCES_COUNT_MAX + 50


# -- what comes too late --------------------------------------------------------------------------


def who():
    return dict(zip(("acquirer", "merchant_id", "terminal_id"), TILL, strict=True))


def test_a_late_upload_is_a_case_once(closed):
    fact = UploadOverdue(**who(), batch="000007", at=AT)
    [case] = decide_overdue(fact, closed)
    assert case.kind == "batch-upload-late"
    assert decide_overdue(fact, replace(closed, is_overdue=True)) == ()
    assert decide_overdue(fact, replace(closed, is_uploaded=True)) == ()
    assert decide_overdue(fact, None) == ()


TERMS = RouteTerms(
    issuer_id="bank", link="issuer-1", merchant_type="5411", fee_plan=FeePlan(rate_ppm=6_000)
)


def test_an_approval_after_the_close_is_a_case_while_it_stands(pay):
    payment = replace(pay("000001"), terms=TERMS)
    fact = BatchChangedLate(**who(), batch="000007", rrn=payment.rrn, at=AT)
    [case] = decide_late_change(fact, payment)
    assert (case.kind, case.rrn) == ("batch-late-approval", payment.rrn)
    returning = replace(payment, phase=Phase.REVERSING)
    assert decide_late_change(fact, returning) == ()
    assert decide_late_change(fact, None) == ()


def test_an_advice_that_nobody_can_be_told_of_is_one_case_also_after_the_close(pay):
    payment = pay("000001")
    assert payment.terms is None
    fact = BatchChangedLate(**who(), batch="000007", rrn=payment.rrn, at=AT)
    assert decide_late_change(fact, payment) == ()


def test_each_kind_of_difference_has_its_words():
    kinds = {
        value
        for name, value in vars(uploads).items()
        if name.isupper() and isinstance(value, str) and value.startswith("batch-")
    }
    assert len(kinds) == 9
    assert kinds <= set(KINDS.kinds)
