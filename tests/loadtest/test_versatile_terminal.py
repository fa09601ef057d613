from collections import Counter

import pytest

from loadtest.frames import DIALECT, TRANSPORT_BYTES, HeardAnswer, make_templates
from loadtest.lean_terminal import Course, LeanTerminal
from loadtest.terminal_list import TerminalSpec
from loadtest.versatile_terminal import VersatileTerminal
from switch.codec import load_dialect
from switch.codec.mti import response_mti

UNIONPAY = load_dialect(DIALECT)
SPEC = TerminalSpec(
    acquirer="demo",
    merchant_id="898110154110001",
    terminal_id="00000001",
    batch="000001",
    mak="1C1C1C1C1C1C1C1C",
    pan="6200000000000005",
)
AMOUNT = 10_000


def terminal(course=Course.VOID, turn=0):
    templates = make_templates(UNIONPAY, SPEC)
    return VersatileTerminal(SPEC, templates, 7, Counter({course: turn}))


def read(frame):
    return UNIONPAY.decode(frame[2 + TRANSPORT_BYTES :])


def answer_to(frame, code="00"):
    message = read(frame)
    stan = str(message.fields["stan"])
    return HeardAnswer(response_mti(message.mti), stan, code, f"010000{stan}", stan, "")


def play(pos, course, codes):
    """Begin a course and answer with these codes; return what was sent and how each ended."""
    frame = pos.begin(course, AMOUNT)
    frames, ends = [], []
    for code in codes:
        frames.append(read(frame))
        answer = answer_to(frame, code)
        assert pos.expects(answer)
        ends.append(pos.hear(answer, len(ends)))
        frame = ends[-1].next_frame
        if frame is None:
            break
    assert frame is None
    return frames, ends


def test_a_void_quotes_its_sale_and_has_a_trace_number_of_its_own():
    frames, ends = play(terminal(), Course.VOID, ["00", "00", "25"])
    assert [each.mti for each in frames] == ["0200", "0200", "0200"]
    assert [each.fields["processing_code"] for each in frames] == ["000000", "200000", "200000"]
    assert [each.fields["stan"] for each in frames] == ["000007", "000008", "000009"]
    assert frames[1].fields["rrn"] == "010000000007"
    assert [each.fault for each in ends] == ["", "", ""]
    assert [each.label for each in ends] == ["authorization", "void", "void"]
    assert [each.is_first for each in ends] == [True, False, False]
    assert [each.told.kind for each in ends] == ["sale", "void", "void"]
    assert len({each.told.payment_key for each in ends}) == 3


def test_errands_of_a_course_come_in_turn_over_all_terminals():
    turns = Counter()
    templates = make_templates(UNIONPAY, SPEC)
    amounts = [
        read(VersatileTerminal(SPEC, templates, 1, turns).begin(Course.VOID, AMOUNT)).fields[
            "amount_transaction"
        ][-2:]
        for _ in range(5)
    ]
    assert amounts == ["00", "88", "87", "85", "00"]


def test_a_plain_course_is_the_lean_terminals():
    templates = make_templates(UNIONPAY, SPEC)
    lean = LeanTerminal(SPEC, templates, 7)
    pos = terminal()
    for course in (Course.PLAIN, Course.REPEAT, Course.REVERSAL):
        frame = pos.begin(course, AMOUNT)
        assert frame == lean.begin(course, AMOUNT)
        answer = answer_to(frame)
        assert pos.expects(answer)
        assert pos.hear(answer, 1) == lean.hear(answer, 1)
        if pos.is_waiting:
            mti = "0410" if lean.label == "reversal" else "0210"
            again = answer_to(frame)._replace(mti=mti)
            assert pos.label == lean.label
            assert pos.hear(again, 2) == lean.hear(again, 2)


def test_an_answer_that_is_lost_is_told_as_nothing_and_taken_back():
    frames, ends = play(terminal(), Course.LOST, ["00", "00"])
    assert [each.mti for each in frames] == ["0200", "0400"]
    assert frames[1].fields["response_code"] == "98"
    assert [(each.told.kind, each.told.response_code) for each in ends] == [
        ("sale", ""),
        ("reversal", "00"),
    ]


def test_a_refund_whose_answer_is_lost_is_sent_again_as_a_repeat():
    frames, ends = play(terminal(Course.LOST, 2), Course.LOST, ["00", "00", "00"])
    assert [each.mti for each in frames] == ["0200", "0220", "0221"]
    assert [each.told.kind for each in ends] == ["sale", "refund", "repeat"]
    assert ends[1].told.payment_key == ends[2].told.payment_key
    assert not any(each.fault for each in ends)


def test_an_unexpected_answer_is_a_fault_and_ends_the_errand():
    _, ends = play(terminal(), Course.VOID, ["00", "61"])
    assert ends[-1].fault == "void: answered 61 , not 00"


def test_a_wrong_mac_is_a_fault():
    pos = terminal()
    answer = answer_to(pos.begin(Course.VOID, AMOUNT))
    assert "MAC" in pos.hear(answer, 1, mac_valid=False).fault


@pytest.mark.parametrize(
    ("course", "kinds"),
    [
        (Course.VOID, ["sale", "reversal", "reversal", "reversal"]),
        (Course.ADVICE, ["offline", "repeat", "repeat", "repeat"]),
        (Course.INQUIRY, ["balance"]),
    ],
)
def test_silence_is_answered_with_what_is_owed_and_no_more(course, kinds):
    pos = terminal(course)
    pos.begin(course, AMOUNT)
    ends = []
    while pos.is_waiting:
        ends.append(pos.give_up(len(ends)))
    assert [each.told.kind for each in ends] == kinds
    assert all(each.fault for each in ends)
    assert pos.begin(Course.PLAIN, AMOUNT)


def test_answers_to_something_else_are_not_expected():
    pos = terminal()
    answer = answer_to(pos.begin(Course.VOID, AMOUNT))
    assert not pos.expects(answer._replace(mti="0410"))
    assert not pos.expects(answer._replace(stan="000099"))
