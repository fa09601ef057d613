"""Pre-authorizations, their completions and what undoes either (docs/rules.md 5)."""

import pytest

DAY_MS = 86_400_000
OTHER_PAN = "6243030000000001"


def cases(world):
    return [
        event.kind
        for record in world.journal
        for event in record.events
        if type(event).__name__ == "CaseOpened"
    ]


def lines(world):
    return [
        (event.line.gross_minor, event.line.fee_minor)
        for record in world.journal
        for event in record.events
        if getattr(event, "line", None) is not None
    ]


def reverse_at_issuer(world, asked, code="00"):
    world.pass_ms(200)
    world.answer_of_issuer(asked.rrn, code, kind="reversal")


@pytest.fixture
def hold(till):
    return till.get("pre-auth", 1_000)


def test_a_hold_settles_nothing_and_its_completion_as_a_sale(world, till, hold):
    assert lines(world) == []
    assert till.told(till.get("completion", 900, of=hold)) == "00"
    assert lines(world) == [(900, 5)]


def test_a_completion_finds_its_hold_by_card_authorization_and_day_from_any_terminal(
    world, till, other_till, hold
):
    completion = other_till.get("completion", 1_000, of=hold, original_transaction="")
    assert till.told(completion) == "00"
    assert till.payment(completion).original_rrn == hold.rrn
    quoted = world.sent[-1].request.fields
    assert quoted["original_data_elements"].startswith(f"0100{world.sent[0].request.match.stan}")
    assert quoted["authorization_id"] == "AUTH01"


@pytest.mark.parametrize(("mmdd", "code"), [("1115", ""), ("0000", ""), ("1114", "25")])
def test_a_completion_that_names_a_day_means_that_day(till, hold, mmdd, code):
    completion = till.ask("completion", 900, of=hold, original_transaction=f"{'0' * 12}{mmdd}")
    assert till.told(completion) == code


@pytest.mark.parametrize("change", [{"authorization_id": "AUTH02"}, {"pan": OTHER_PAN}])
def test_a_completion_with_another_code_or_card_finds_nothing(till, hold, change):
    completion = till.ask("completion", 900, of=hold, **change)
    assert (till.told(completion), till.why(completion)) == ("25", "original-not-found")


@pytest.mark.parametrize("kind", ["completion", "completion advice"])
@pytest.mark.parametrize(("amount", "is_taken"), [(1_150, True), (1_151, False)])
def test_a_completion_request_or_advice_takes_at_most_115_percent(
    till, hold, kind, amount, is_taken
):
    completion = till.ask(kind, amount, of=hold)
    assert till.payment(completion).original_rrn == (hold.rrn if is_taken else "")
    if not is_taken:
        assert (till.told(completion), till.why(completion)) == ("61", "completion-over-limit")


@pytest.mark.parametrize("kind", ["completion", "completion advice", "pre-auth void"])
def test_a_hold_may_be_completed_or_given_up_within_30_days(world, till, hold, kind):
    world.change_terminal(batch="000002")
    till.batch = "000002"
    world.jump(30 * DAY_MS + 1)
    asked = till.ask(kind, 1_000, of=hold)
    assert (till.told(asked), till.why(asked)) == ("22", "original-too-old")
    world.jump(-1)
    assert till.payment(till.ask(kind, 1_000, of=hold)).original_rrn == hold.rrn


@pytest.mark.parametrize("kind", ["completion", "completion advice", "pre-auth void"])
def test_a_hold_that_was_given_up_cannot_be_completed(till, hold, kind):
    assert till.told(till.get("pre-auth void", 1_000, of=hold)) == "00"
    asked = till.ask(kind, 1_000, of=hold)
    assert (till.told(asked), till.why(asked)) == ("25", "original-not-open")


@pytest.mark.parametrize("kind", ["completion", "completion advice"])
def test_a_hold_that_was_reversed_cannot_be_completed(till, hold, kind):
    till.take_back(hold)
    asked = till.ask(kind, 1_000, of=hold)
    assert (till.told(asked), till.why(asked)) == ("25", "original-not-open")


def test_a_hold_is_completed_once(world, till, hold):
    running = till.ask("completion", 900, of=hold)
    second = till.ask("completion", 100, of=hold)
    assert (till.told(second), till.why(second)) == ("25", "original-held")
    world.answer_of_issuer(running.rrn, "00")
    third = till.ask("completion", 100, of=hold)
    assert (till.told(third), till.why(third)) == ("25", "original-not-open")


def test_an_unknown_completion_is_reversed_and_then_the_hold_is_open_again(world, till, hold):
    completion = till.ask("completion", 900, of=hold)
    world.answer_of_issuer(completion.rrn, "68")
    assert till.told(completion) == "98"
    assert till.why(till.ask("completion", 900, of=hold)) == "original-held"
    reverse_at_issuer(world, completion)
    assert till.told(till.get("completion", 900, of=hold)) == "00"


def test_a_reversed_completion_opens_its_hold_again(world, till, hold):
    completion = till.get("completion", 900, of=hold)
    till.take_back(completion)
    reverse_at_issuer(world, completion)
    assert lines(world) == [(900, 5), (-900, -5)]
    assert till.told(till.get("completion", 800, of=hold)) == "00"


def test_a_voided_completion_opens_its_hold_again(world, till, hold):
    completion = till.get("completion", 900, of=hold)
    assert till.told(till.get("completion void", 900, of=completion)) == "00"
    assert lines(world) == [(900, 5), (-900, -5)]
    assert till.told(till.get("completion", 800, of=hold)) == "00"


def test_the_reversal_of_a_completion_void_completes_again(world, till, hold):
    completion = till.get("completion", 900, of=hold)
    void = till.get("completion void", 900, of=completion)
    till.take_back(void)
    assert till.why(till.ask("completion", 900, of=hold)) == "original-held"
    reverse_at_issuer(world, void)
    assert lines(world) == [(900, 5), (-900, -5), (900, 5)]
    assert till.why(till.ask("completion", 900, of=hold)) == "original-not-open"
    assert till.told(till.get("refund", 900, of=completion)) == "00"


@pytest.mark.parametrize("then", ["completion", "pre-auth void"])
@pytest.mark.parametrize("is_answered", [True, False])
def test_a_completion_void_is_not_reversed_once_its_hold_was_used_again(
    world, till, hold, then, is_answered
):
    completion = till.get("completion", 900, of=hold)
    void = till.get("completion void", 900, of=completion)
    second = till.ask(then, 1_000, of=hold)
    if is_answered:
        world.answer_of_issuer(second.rrn, "00")
    sent = len(world.sent)
    assert till.told(till.take_back(void)) == "00"
    world.pass_ms(1_000)
    assert len(world.sent) == sent, "both completions would stand: debited twice"
    assert cases(world) == ["reversal-obstructed"]
    assert till.payment(void).phase.value == "approved"


def test_the_reversal_of_a_hold_that_is_completed_is_a_case_and_nothing_goes_upstream(
    world, till, hold
):
    till.get("completion", 900, of=hold)
    sent = len(world.sent)
    assert till.told(till.take_back(hold)) == "00"
    world.pass_ms(1_000)
    assert len(world.sent) == sent
    assert cases(world) == ["reversal-obstructed"]


def test_the_reversal_of_a_given_up_hold_opens_it_again(world, till, hold):
    void = till.get("pre-auth void", 1_000, of=hold)
    till.take_back(void)
    reverse_at_issuer(world, void)
    assert till.told(till.get("completion", 900, of=hold)) == "00"


def test_a_hold_that_is_unknown_is_reversed(world, till):
    hold = till.ask("pre-auth", 1_000)
    world.answer_of_issuer(hold.rrn, "68")
    world.pass_ms(100)
    reversal = world.sent[-1].request
    assert reversal.mti == "0420"
    assert reversal.fields["original_data_elements"].startswith("0100")
    assert (reversal.fields["processing_code"], reversal.fields["pos_condition_code"]) == (
        "030000",
        "06",
    )


def test_a_hold_on_part_of_the_amount_is_refused_where_the_terminal_takes_no_parts(world, till):
    hold = till.ask("pre-auth", 1_000)
    world.answer_of_issuer(hold.rrn, "10", amount_transaction="000000000400")
    assert (till.told(hold), till.why(hold)) == ("51", "partial-approval-refused")
    assert till.payment(hold).phase.value == "reversing"


def test_a_hold_on_part_of_the_amount_is_completed_up_to_115_percent_of_that_part(world, till):
    hold = till.ask("pre-auth", 1_000, batch_data="1000000100050" + "1000")
    world.answer_of_issuer(
        hold.rrn, "10", amount_transaction="000000000400", authorization_id="AUTH01"
    )
    assert till.told(hold) == "10"
    assert till.told(till.ask("completion", 461, of=hold)) == "61"
    assert till.told(till.get("completion", 460, of=hold)) == "00"


# -- advices of completions -----------------------------------------------------------------------


def test_a_completion_advice_is_accepted_at_once_and_completes_the_hold(world, till, hold):
    advice = till.ask("completion advice", 900, of=hold)
    assert till.told(advice) == "00"
    assert lines(world) == [(900, 5)]
    assert till.why(till.ask("completion", 900, of=hold)) == "original-not-open"
    world.pass_ms(100)
    told = world.sent[-1].request
    assert (told.mti, told.fields["processing_code"], told.fields["pos_condition_code"]) == (
        "0220",
        "000000",
        "06",
    )
    assert told.fields["original_data_elements"].startswith("0100")


def test_a_completion_advice_that_the_issuer_refuses_is_a_case_and_keeps_the_hold_held(
    world, till, hold
):
    advice = till.ask("completion advice", 900, of=hold)
    world.pass_ms(100)
    world.answer_of_issuer(advice.rrn, "61")
    assert cases(world) == ["advice-refused"]
    assert till.why(till.ask("completion", 900, of=hold)) == "original-held"
    sent = len(world.sent)
    world.pass_ms(10_000)
    assert len(world.sent) == sent


# -- memory ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("undone", ["completion void", "reversal of a hold's void"])
def test_a_hold_of_a_batch_long_closed_can_be_opened_again_by_what_is_undone(
    world, till, hold, undone
):
    till.batch = world.close_batch(till.batch)
    world.jump(9 * DAY_MS)
    if undone == "completion void":
        completion = till.get("completion", 900, of=hold)
        world.jump(26 * 3_600_000)
        till.get()  # whatever is due is looked at now
        till.get("completion void", 900, of=completion)
    else:
        void = till.get("pre-auth void", 1_000, of=hold)
        world.jump(26 * 3_600_000)
        till.get()  # whatever is due is looked at now
        till.take_back(void)
        reverse_at_issuer(world, void)
    world.jump(2 * 3_600_000)
    completion = till.get("completion", 900, of=hold)
    assert till.told(completion) == "00"


def test_a_short_authorization_reaches_the_terminal_and_is_found_again(world, till):
    hold = till.ask("pre-auth", 1_000)
    world.answer_of_issuer(hold.rrn, "00", authorization_id="AB12  ")
    code = str(world.replies[hold.inbound_id][-1].fields["authorization_id"])
    assert code == "AB12  "
    completion = till.ask("completion", 1_000, of=hold, authorization_id=code)
    assert world.sent[-1].request.fields["authorization_id"] == code
    assert till.payment(completion).original_rrn == hold.rrn
