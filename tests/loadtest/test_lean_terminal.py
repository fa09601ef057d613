import pytest

from loadtest.frames import DIALECT, TRANSPORT_BYTES, HeardAnswer, make_templates
from loadtest.lean_terminal import Course, LeanTerminal
from loadtest.terminal_list import TerminalSpec
from switch.codec import load_dialect

UNIONPAY = load_dialect(DIALECT)
SPEC = TerminalSpec(
    acquirer="demo",
    merchant_id="898110154110001",
    terminal_id="00000001",
    batch="000001",
    mak="1C1C1C1C1C1C1C1C",
    pan="6200000000000005",
)
APPROVED = HeardAnswer("0210", "000007", "00", "000000000001", "ABC123", "")


def terminal(first_stan=7):
    return LeanTerminal(SPEC, make_templates(UNIONPAY, SPEC), first_stan)


def sent(frame):
    message = UNIONPAY.decode(frame[2 + TRANSPORT_BYTES :])
    return message.mti, message.fields["stan"], int(message.fields["amount_transaction"])


def test_a_plain_payment_is_one_message():
    pos = terminal()
    assert sent(pos.begin(Course.PLAIN, 500)) == ("0200", "000007", 500)
    assert pos.expects(APPROVED)
    ended = pos.hear(APPROVED, 99)
    assert (ended.label, ended.fault, ended.next_frame) == ("authorization", "", None)
    assert ended.told.rrn == "000000000001"
    assert ended.is_first
    assert not pos.expects(APPROVED)


def test_a_repeat_is_the_same_frame_and_wants_the_same_answer():
    pos = terminal()
    frame = pos.begin(Course.REPEAT, 500)
    assert pos.hear(APPROVED, 1).next_frame == frame
    assert pos.label == "repeat"
    ended = pos.hear(APPROVED, 2)
    assert (ended.label, ended.fault, ended.told.kind) == ("repeat", "", "repeat")
    assert not ended.is_first


def test_a_repeat_that_is_answered_otherwise_is_a_fault():
    pos = terminal()
    pos.begin(Course.REPEAT, 500)
    pos.hear(APPROVED, 1)
    assert "not as the first" in pos.hear(APPROVED._replace(rrn="000000000002"), 2).fault


def test_a_conflict_has_the_same_key_and_another_amount():
    pos = terminal()
    pos.begin(Course.CONFLICT, 500)
    following = pos.hear(APPROVED, 1).next_frame
    assert sent(following) == ("0200", "000007", 600)
    ended = pos.hear(APPROVED._replace(response_code="94"), 2)
    assert (ended.fault, ended.told.kind, ended.told.amount_minor) == ("", "conflict", 600)


def test_a_reversal_follows_the_answer():
    pos = terminal()
    pos.begin(Course.REVERSAL, 500)
    assert sent(pos.hear(APPROVED, 1).next_frame) == ("0400", "000007", 500)
    assert not pos.expects(APPROVED)
    answer = APPROVED._replace(mti="0410")
    assert pos.expects(answer)
    assert pos.hear(answer, 2).fault == ""


@pytest.mark.parametrize(
    ("course", "code", "label"),
    [(Course.DECLINE, "51", "authorization"), (Course.SILENT, "98", "silent")],
)
def test_what_the_issuer_was_asked_for_is_no_fault(course, code, label):
    pos = terminal()
    pos.begin(course, 500)
    ended = pos.hear(APPROVED._replace(response_code=code), 1)
    assert (ended.fault, ended.label, ended.next_frame) == ("", label, None)


def test_an_unwanted_answer_is_told_with_its_reason():
    pos = terminal()
    pos.begin(Course.PLAIN, 500)
    refused = APPROVED._replace(response_code="03", private_63="   merchant-not-active: why")
    assert pos.hear(refused, 1).fault == "sale: answered 03 merchant-not-active, not 00"


def test_a_wrong_mac_is_a_fault():
    pos = terminal()
    pos.begin(Course.PLAIN, 500)
    ended = pos.hear(APPROVED, 1, mac_valid=False)
    assert "MAC" in ended.fault
    assert ended.told.mac_valid is False


def test_silence_is_answered_with_at_most_three_reversals():
    pos = terminal()
    pos.begin(Course.PLAIN, 500)
    ends = [pos.give_up(at) for at in range(4)]
    assert [end.told.kind for end in ends] == ["sale", "reversal", "reversal", "reversal"]
    assert [end.next_frame is not None for end in ends] == [True, True, True, False]
    assert all(end.told.response_code == "" for end in ends)
    assert not pos.is_waiting


def test_every_message_has_a_serial_of_its_own():
    pos = terminal()
    pos.begin(Course.REPEAT, 500)
    first = pos.serial
    pos.hear(APPROVED, 1)
    assert pos.serial != first


def test_trace_numbers_go_round_without_zero():
    pos = terminal(first_stan=999_999)
    assert sent(pos.begin(Course.PLAIN, 100))[1] == "999999"
    pos.hear(APPROVED._replace(stan="999999"), 1)
    assert sent(pos.begin(Course.PLAIN, 100))[1] == "000001"


def test_answers_to_something_else_are_not_expected():
    pos = terminal()
    pos.begin(Course.PLAIN, 500)
    assert not pos.expects(APPROVED._replace(stan="000008"))
    assert not pos.expects(APPROVED._replace(mti="0410"))
    assert not pos.expects(APPROVED._replace(stan=""))
