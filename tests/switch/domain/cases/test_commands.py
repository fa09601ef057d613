from switch.domain.cases.commands import CaseCommand, CommandKind, read_command
from switch.domain.cases.events import CaseClosed
from switch.domain.payment.events import CaseOpened


def note(**changes):
    fields = {"kind": CommandKind.NOTE, "command_id": "1", "by": "anna", "at": 5, "text": "t"}
    return CaseCommand(**(fields | changes))


def test_two_operators_may_choose_the_same_id():
    assert note().key != note(by="ben").key


def test_a_command_asked_again_later_says_the_same():
    assert note().content == note(at=9).content
    assert note().content != note(text="other").content


def test_what_nobody_commanded_gives_no_command_back():
    assert read_command((CaseClosed(case_id="c", at=1, cause="settled"),)) is None
    assert read_command((CaseOpened(case_id="c", kind="k", at=1),)) is None
    assert read_command(()) is None
