"""The judge of voids, refunds, holds, advices, sign-ons and batches is judged by made-up runs."""

import pytest

from tests.faults.kafka.made_history import TILL, Run, key_of
from tests.faults.kafka.memory import Totals
from tests.faults.kafka.story import Journal


@pytest.fixture
def run():
    return Run()


class Shop(Run):
    """A run with a word for each kind of transaction."""

    def void(self, sale, stan, minor=100, **more):
        moved = {"moved": -minor} | more
        return self.change("sale-void", "void", sale, stan, minor, **moved)

    def refund(self, sale, stan, minor, **more):
        return self.change(
            "refund", "credit", sale, stan, minor, **{"moved": -minor, "mti": "0220"} | more
        )

    def hold(self, stan, minor):
        return self.change("pre-authorization", "authorization", "", stan, minor, held=minor)

    def complete(self, hold, stan, minor, held):
        return self.change("completion", "debit", hold, stan, minor, moved=minor, held=-held)

    def report(self, stan, minor):
        rrn = self.accept(stan, minor)
        self.debit(rrn, minor, mti="0220")
        self.confirm(rrn)
        return rrn


@pytest.fixture
def shop():
    return Shop()


def test_a_sound_day_is_found_sound(shop):
    sale = shop.sale("000001", 100)
    void = shop.void(sale, "000002")
    shop.tell("000002", rrn=void, kind="void", operation="void")
    shop.refund(shop.sale("000003", 200), "000004", 150)
    hold = shop.hold("000005", 1_000)
    completion = shop.complete(hold, "000006", 1_150, 1_000)
    shop.change("completion-void", "void", completion, "000007", 1_150, moved=-1_150, held=1_000)
    shop.complete(hold, "000008", 900, 1_000)
    shop.report("000009", 300)
    adjusted = shop.accept(
        "000010", 400, "adjustment-advice", original_rrn=sale, sent_amount={"minor": 50}
    )
    shop.debit(adjusted, 50, mti="0220", original="quoted")
    shop.debit(adjusted, 50, mti="0221", outcome="already", moved_minor=0)
    shop.confirm(adjusted)
    inquiry = shop.change("balance-inquiry", "inquiry", "", "000011", 0)
    shop.tell("000011", rrn=inquiry, kind="balance", operation="balance", minor=0)
    totals = Totals(100 + 200 + 1_150 + 900 + 300 + 400, 6, 100 + 150 + 1_150, 3)
    rrn = shop.close_batch(totals)
    shop.tell("000012", rrn=rrn, kind="settlement", totals=totals, balance_flag="1")
    assert shop.judge() == []


def test_a_refund_that_waits_for_its_issuer_may_end_either_way(shop):
    sale = shop.sale("000001", 100)
    rrn = shop.route("000002", 100, transaction="refund", original=sale)
    shop.append(
        {"type": "outcome-awaited.v1", "rrn": rrn, "answer": {"response_code": "98", "at": 1}}
    )
    shop.tell("000002", "98", rrn, kind="refund", operation="refund")
    assert (8, "unfinished") in shop.kinds()
    shop.debit(rrn, 100, op="credit", moved_minor=-100, original="quoted", original_rrn=sale)
    shop.approve(rrn)
    shop.tell("000002", "00", rrn, kind="repeat", operation="refund")
    assert shop.judge() == []


def test_1_a_void_that_was_carried_out_twice(shop):
    sale = shop.sale()
    rrn = shop.void(sale, "000002")
    shop.debit(rrn, op="void", moved_minor=0, original="quoted", original_rrn=sale)
    assert shop.kinds() == {(1, "debited-twice")}


def test_2_an_approval_of_something_else_than_was_asked(shop):
    rrn = shop.sale()
    shop.tell(rrn=rrn, kind="void", operation="void")
    assert shop.kinds() == {(2, "approval-of-other-content")}


def test_2_a_grant_that_no_valid_record_knows(run):
    run.tell(rrn="030000000009", kind="sign-on")
    assert run.kinds() == {(2, "grant-not-in-journal")}
    signed_on = {"type": "terminal-signed-on.v1", "answer": {"rrn": "030000000009"}}
    run.append(signed_on, claim_id="c0")
    assert run.kinds() == {(2, "grant-not-in-journal")}, "a void one does not"
    run.append(signed_on)
    assert run.judge() == []


def test_2_an_upload_that_is_on_record_is_answered_without_a_number(run):
    run.tell(kind="upload")
    assert run.kinds() == {(2, "grant-not-in-journal")}
    taken = {"type": "batch-upload-taken.v1", "batch": "000001", "answer": {"rrn": "1"}}
    run.append(taken | TILL)
    assert run.judge() == []


def test_2_a_right_mac_that_was_refused(run):
    run.tell(code="A0", mac_valid=None)
    assert run.kinds() == {(2, "right-mac-refused")}


def test_3_what_a_terminal_was_told_to_be_approved_and_nobody_was_to_take_back(run):
    rrn = run.sale()
    run.append({"type": "reversal-accepted.v1", "rrn": rrn, "upstream": True})
    run.reverse(rrn)
    run.finish(rrn)
    assert run.kinds() == {(3, "approval-taken-back")}
    run.tell(code="", kind="reversal", mac_valid=None)
    assert run.judge() == [], "its terminal asked for it, and did not hear"


def test_3_a_void_that_gave_nothing_back(shop):
    shop.void(shop.sale(), "000002", moved=0)
    assert shop.kinds() == {(3, "approval-without-debit")}


def test_3_a_hold_that_a_completion_leaves(shop):
    shop.complete(shop.hold("000001", 1_000), "000002", 900, 0)
    assert shop.kinds() == {(3, "money-elsewhere")}


def test_3_an_advice_that_its_issuer_never_booked(shop):
    shop.confirm(shop.accept("000001", 300))
    assert shop.kinds() == {(3, "advice-not-landed"), (3, "approval-without-debit")}


def test_3_an_advice_that_was_booked_twice(shop):
    rrn = shop.report("000001", 300)
    shop.debit(rrn, 300, mti="0221")
    assert (3, "advice-landed-twice") in shop.kinds()


def test_3_an_advice_that_a_person_looks_at(shop):
    rrn = shop.accept("000001", 300)
    shop.debit(rrn, 300, mti="0220", outcome="declined", moved_minor=0)
    shop.open_case(rrn, "advice-refused")
    assert shop.judge() == []


@pytest.mark.parametrize("kind", ["batch-host-only", "late-approval"])
def test_3_a_case_that_does_not_ask_where_the_money_is_excuses_none(shop, kind):
    rrn = shop.void(shop.sale(), "000002", moved=0)
    shop.open_case(rrn, kind)
    assert shop.kinds() == {(3, "approval-without-debit")}


@pytest.mark.parametrize("kind", ["reversal-not-found", "late-answer-contradicts"])
def test_3_what_a_person_has_to_find_out_is_no_violation(shop, kind):
    rrn = shop.void(shop.sale(), "000002", moved=0)
    shop.open_case(rrn, kind)
    assert shop.judge() == []


def test_4_an_advice_of_an_amount_that_was_not_to_be_sent(shop):
    rrn = shop.accept("000001", 400, sent_amount={"minor": 50})
    shop.debit(rrn, 400, mti="0220")
    shop.confirm(rrn)
    assert (4, "debit-of-other-amount") in shop.kinds()


def test_5_an_inquiry_that_is_repeated_is_asked_anew(shop):
    for _ in range(2):
        rrn = shop.change("balance-inquiry", "inquiry", "", "000001", 0)
        shop.tell("000001", rrn=rrn, kind="balance", operation="balance", minor=0)
    assert shop.judge() == []


def test_7_more_given_back_than_was_taken(shop):
    sale = shop.sale("000001", 100)
    shop.refund(sale, "000002", 60)
    shop.refund(sale, "000003", 60)
    assert shop.kinds() == {(7, "given-back-more-than-taken"), (7, "returned-more-than-paid")}


def test_7_more_given_back_than_was_taken_in_between(shop):
    """The ledger alone shows it, whatever the journal says about it afterwards."""
    sale = shop.sale("000001", 100)
    shop.void(sale, "000002")
    second = shop.route("000003", 100, transaction="sale-void", original=sale)
    quoted = {"original": "quoted", "original_rrn": sale}
    shop.debit(second, op="void", moved_minor=-100, **quoted)
    shop.lose(second)
    shop.reverse(second, moved_minor=100)
    shop.finish(second)
    assert shop.kinds() == {(7, "given-back-more-than-taken")}


def test_7_a_sale_that_was_voided_twice(shop):
    sale = shop.sale()
    shop.void(sale, "000002")
    shop.void(sale, "000003", moved=0)
    assert {(7, "voided-twice"), (7, "returned-more-than-paid")} <= shop.kinds()


def test_7_a_hold_that_was_completed_twice(shop):
    hold = shop.hold("000001", 1_000)
    shop.complete(hold, "000002", 500, 1_000)
    shop.complete(hold, "000003", 500, 1_000)
    assert [v.kind for v in shop.judge()] == ["completed-twice"] * 2, "in ledger and journal"


def test_7_a_completion_of_more_than_115_percent(shop):
    shop.complete(shop.hold("000001", 1_000), "000002", 1_151, 1_000)
    assert [v.kind for v in shop.judge()] == ["completed-above-hold"] * 2


def test_7_a_batch_that_holds_something_else(shop):
    shop.sale("000001", 100)
    shop.close_batch(Totals(200, 1))
    assert shop.kinds() == {(7, "batch-counted-otherwise")}


def test_7_what_came_after_its_closing_is_not_in_a_batch(shop):
    shop.sale("000001", 100)
    late = shop.route("000002", 100)
    shop.debit(late, 100)
    shop.close_batch(Totals(100, 1))
    shop.approve(late)
    assert shop.kinds() == {(1, "one-payment-two-debits"), (7, "late-approval-unnoticed")}
    shop.append({"type": "batch-changed-late.v1", "rrn": late})
    assert shop.kinds() == {(1, "one-payment-two-debits")}
    [closing] = Journal(shop.journal).closings
    assert closing.counted == Totals(100, 1)
    assert closing.till_batch == key_of("x").removesuffix("|x|payment")


def test_7_a_batch_that_is_called_balanced_and_is_not(shop):
    shop.sale("000001", 100)
    shop.close_batch(Totals(100, 1), Totals(100, 2))
    assert shop.kinds() == {(7, "batch-compared-otherwise")}


@pytest.mark.parametrize("told", [(Totals(100, 2), "1"), (Totals(100, 1), "2"), (None, "3")])
def test_7_a_terminal_that_was_told_other_totals(shop, told):
    shop.sale("000001", 100)
    rrn = shop.close_batch(Totals(100, 1))
    shop.tell("000002", rrn=rrn, kind="settlement", totals=told[0], balance_flag=told[1])
    assert shop.kinds() == {(7, "batch-told-otherwise")}


def test_8_a_case_that_leaves_the_switch_at_work_is_no_end(shop):
    rrn = shop.route()
    shop.lose(rrn)
    shop.open_case(rrn, "late-approval")
    assert (8, "unfinished") in shop.kinds()
    shop.finish(rrn)
    assert shop.judge() == []


def test_8_an_advice_that_nobody_has_told_on(shop):
    shop.accept("000001", 300)
    assert (8, "unfinished") in shop.kinds()
