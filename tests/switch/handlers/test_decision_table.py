"""
What becomes of whatever arrives, by what is known of its key: docs/rules.md 1 and 5 as a table.

A row arranges the state of one key, lets one message arrive and says what follows: the answer, the
events that are recorded, the messages that go to the issuer, and what stands once all is quiet.
Every row is also played beside its neighbour, at two terminals of one merchant: they must not mix.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import pytest

DAY_MS = 86_400_000
LATE_MS = 3_200  # past the issuer's time-out


class Scene:
    """One terminal on the stage of one row: what it asked, and what happened since the curtain."""

    def __init__(self, world, till, amount):
        self.world, self.till, self.amount = world, till, amount
        self.asked = self.came = None
        self.rise()

    def rise(self):
        """Raise the curtain: what is recorded and sent from here on belongs to the act."""
        self._record_count, self._sent_count = len(self.world.journal), len(self.world.sent)

    def ask(self, kind="sale", amount=0, **changes):
        return self.till.ask(kind, amount or self.amount, **changes)

    def issuer(self, code, **fields):
        self.world.answer_of_issuer(self.asked.rrn, code, **fields)

    def issuer_reverses(self, code="00"):
        """Let the lane send what is due, and the issuer answer this payment's reversal."""
        self.world.pass_ms(200)
        self.world.answer_of_issuer(self.asked.rrn, code, kind="reversal")

    def events(self):
        records = self.world.journal[self._record_count :]
        return [type(event).__name__ for record in records for event in record.events]

    def upstream(self):
        requests = [action.request for action in self.world.sent[self._sent_count :]]
        terminal_id = self.asked.fields["terminal_id"]
        return [one.mti for one in requests if one.fields["terminal_id"] == terminal_id]

    @property
    def phase(self):
        return self.till.payment(self.asked).phase.value

    @property
    def money(self):
        return self.till.payment(self.asked).money_state.value


# -- states of a key -------------------------------------------------------------------------------


def absent(_scene):
    """Nothing was ever asked under this key."""


def in_progress(scene):
    scene.asked = scene.ask()


def approved(scene):
    scene.asked = scene.ask()
    scene.issuer("00", authorization_id="AUTH01")


def declined(scene):
    scene.asked = scene.ask()
    scene.issuer("51")


def unknown(scene):
    """The issuer's answer left the outcome open; the reversal is on its way."""
    scene.asked = scene.ask()
    scene.issuer("68")
    scene.world.pass_ms(100)


def silent(scene):
    """The issuer said nothing in time; the reversal is on its way."""
    scene.asked = scene.ask()
    scene.world.pass_ms(LATE_MS)


def tombstoned(scene):
    """An 0400 came first; the payment itself is still on its way."""
    scene.asked = scene.ask(mti="0400", response_code="98")


def reversed_(scene):
    approved(scene)
    scene.till.take_back(scene.asked)
    scene.issuer_reverses()


def approved_yesterday(scene):
    approved(scene)
    scene.world.jump(DAY_MS)


def void_approved(scene):
    """A sale and its void; the row's payment is the void."""
    approved(scene)
    scene.sale = scene.asked
    scene.asked = scene.ask("void", of=scene.sale)
    scene.issuer("00")


def void_in_progress(scene):
    approved(scene)
    scene.sale = scene.asked
    scene.asked = scene.ask("void", of=scene.sale)


def hold_completed(scene):
    """A pre-authorization and its completion; the row's payment is the pre-authorization."""
    scene.asked = scene.ask("pre-auth")
    scene.issuer("00", authorization_id="AUTH01")
    completion = scene.ask("completion", of=scene.asked)
    scene.world.answer_of_issuer(completion.rrn, "00")


def advice_accepted(scene):
    scene.asked = scene.ask("offline")


def refund_approved(scene):
    approved(scene)
    scene.asked = scene.ask("refund", of=scene.asked)
    scene.issuer("00")


def refunded(scene):
    """A sale that was refunded in whole; the row's payment is the sale."""
    approved(scene)
    refund = scene.ask("refund", of=scene.asked)
    scene.world.answer_of_issuer(refund.rrn, "00")


def refund_unanswered(scene):
    approved(scene)
    scene.asked = scene.ask("refund", of=scene.asked)
    scene.world.pass_ms(LATE_MS)


# -- what arrives ----------------------------------------------------------------------------------


def a_request(scene):
    scene.asked = scene.came = scene.ask()
    scene.issuer("00")


def the_same_again(scene):
    scene.came = scene.till.repeat(scene.asked, mti=scene.asked.mti)


def a_repeat(scene):
    scene.came = scene.till.repeat(scene.asked)


def other_content(scene):
    scene.came = scene.till.repeat(scene.asked, amount_transaction="000000007777")


def the_request_late(scene):
    fields = {name: value for name, value in scene.asked.fields.items() if name != "response_code"}
    scene.came = scene.till._send("0200", fields)


def its_0400(scene):
    scene.came = scene.till.take_back(scene.asked)


def an_0400_of_nothing(scene):
    scene.came = scene.asked = scene.ask(mti="0400", response_code="98")


def an_0400_of_another_amount(scene):
    scene.came = scene.till.take_back(scene.asked, amount_transaction="000000007777")


def an_0400_of_another_card(scene):
    scene.came = scene.till.take_back(scene.asked, pan="6243030000000001")


def an_0400_of_another_type(scene):
    batch_data = f"20{scene.asked.fields['batch_data'][2:]}"
    scene.came = scene.till.take_back(scene.asked, batch_data=batch_data)


def an_advice(scene):
    scene.came = scene.asked = scene.ask("offline")


def a_refund(scene):
    scene.came = scene.asked = scene.ask("refund", of=scene.asked)
    scene.issuer("00")


def a_refund_over_the_rest(scene):
    scene.came = scene.ask("refund", amount=scene.amount + 1, of=scene.asked)


def a_late_approval(scene):
    scene.came = scene.asked
    scene.issuer("00")


def a_late_decline(scene):
    scene.came = scene.asked
    scene.issuer("51")


# -- what must be true once all is quiet ----------------------------------------------------------


def nothing_else(_scene):
    """The act has said it all."""


def it_is_answered_when_the_first_is(scene):
    assert scene.till.told(scene.came) == ""
    scene.issuer("00")
    assert scene.till.told(scene.came) == scene.till.told(scene.asked) == "00"


def its_first_answer_still_stands(scene):
    again = scene.till.repeat(scene.asked)
    assert scene.till.told(again) == "00"


def the_money_goes_back(scene):
    assert scene.phase == "reversing"
    scene.issuer_reverses()
    assert (scene.phase, scene.money) == ("reversed", "returned")


def the_money_goes_back_as_soon_as_the_issuer_speaks(scene):
    assert scene.phase == "routed"
    scene.issuer("00")
    assert scene.till.told(scene.asked) == "", "nobody waits for an answer that was taken back"
    assert scene.till.told(scene.came) == "00", "and the 0400 was answered at once"
    the_money_goes_back(scene)


def the_payment_itself_is_refused(scene):
    the_request_late(scene)
    assert (scene.till.told(scene.came), scene.till.why(scene.came)) == (
        "94",
        "late-after-reversal",
    )
    assert scene.upstream() == []


def the_original_is_untouched(scene):
    assert (scene.phase, scene.money) == ("approved", "debited")
    assert scene.till.told(scene.till.repeat(scene.asked)) == "00"


def its_mirror_line_belongs_to_the_new_day(scene):
    taken = scene.till.payment(scene.asked).line
    the_money_goes_back(scene)
    [mirror] = [
        event.line
        for event in scene.world.journal[-1].events
        if type(event).__name__ == "PaymentReversed"
    ]
    assert (mirror.gross_minor, mirror.fee_minor) == (-taken.gross_minor, -taken.fee_minor)
    assert mirror.settlement_date > taken.settlement_date


def the_issuer_refuses_and_a_case_is_opened(scene):
    scene.issuer_reverses("25")
    assert scene.events()[-1] == "CaseOpened"
    assert scene.phase == "case"


def the_sale_is_live_again(scene):
    scene.issuer_reverses()
    again = scene.ask("void", of=scene.sale)
    assert again.rrn in {action.request.match.rrn for action in scene.world.sent}


def the_sale_is_live_again_after_the_issuer_has_spoken(scene):
    scene.issuer("00")
    the_sale_is_live_again(scene)


def the_issuer_is_told(scene):
    scene.world.pass_ms(100)
    assert scene.upstream() == ["0220"]
    scene.issuer("00")
    assert scene.events()[-1] == "AdviceConfirmed"


def it_never_becomes_an_approval(scene):
    assert scene.till.told(scene.asked) == "98"
    assert scene.till.told(scene.till.repeat(scene.asked)) == "98"
    scene.world.pass_ms(5_200)  # the reversal under way may have come before the debit: once more
    the_money_goes_back(scene)


def no_debit_is_left(scene):
    assert scene.phase == "reversing"
    scene.issuer_reverses("25")  # there was none
    assert scene.money != "debited"


# -- the table -------------------------------------------------------------------------------------


class Row(NamedTuple):
    arrives: Callable[[Scene], None]
    state: Callable[[Scene], None]
    answer: str  # DE 39; several where one message ends two waits; empty: silence
    records: str
    upstream: str
    then: Callable[[Scene], None] = nothing_else

    @property
    def name(self):
        return f"{self.arrives.__name__}, {self.state.__name__}".replace("_", " ").strip()


ASKED, SENT = "PaymentRequested", "PaymentRouted"
SAID_YES = "IssuerAnswered PaymentApproved"
TOOK_BACK = "ReversalRequested ReversalAccepted"
TOO_LATE = "LateAnswerReceived CaseOpened"

# fmt: off
TABLE = (
    Row(a_request, absent, "00", f"{ASKED} {SENT} {SAID_YES}", "0200"),
    Row(the_same_again, approved, "00", "", ""),
    Row(a_repeat, approved, "00", "", ""),
    Row(a_repeat, declined, "51", "", ""),
    Row(a_repeat, unknown, "98", "", ""),
    Row(other_content, approved, "94", "DuplicateConflicted", "", its_first_answer_still_stands),
    Row(other_content, in_progress, "94", "DuplicateConflicted", ""),
    Row(a_repeat, in_progress, "", "", "", it_is_answered_when_the_first_is),
    Row(the_same_again, in_progress, "", "", "", it_is_answered_when_the_first_is),
    Row(the_request_late, tombstoned, "94", "DuplicateConflicted", ""),
    Row(a_repeat, reversed_, "94", "DuplicateConflicted", ""),
    Row(its_0400, approved, "00", TOOK_BACK, "", the_money_goes_back),
    Row(its_0400, in_progress, "00", TOOK_BACK, "",
        the_money_goes_back_as_soon_as_the_issuer_speaks),
    Row(its_0400, declined, "00", TOOK_BACK, ""),
    Row(its_0400, unknown, "00", TOOK_BACK, "", the_money_goes_back),
    Row(an_0400_of_nothing, absent, "00", "ReversalRequested TombstoneSet ReversalAccepted", "",
        the_payment_itself_is_refused),
    Row(its_0400, reversed_, "00", "", ""),
    Row(an_0400_of_another_amount, approved, "25",
        "ReversalRequested CaseOpened ReversalAccepted", "", the_original_is_untouched),
    Row(an_0400_of_another_card, approved, "25",
        "ReversalRequested CaseOpened ReversalAccepted", "", the_original_is_untouched),
    Row(an_0400_of_another_type, approved, "25",
        "ReversalRequested CaseOpened ReversalAccepted", "", the_original_is_untouched),
    Row(its_0400, approved_yesterday, "00", TOOK_BACK, "", its_mirror_line_belongs_to_the_new_day),
    Row(its_0400, approved_yesterday, "00", TOOK_BACK, "",
        the_issuer_refuses_and_a_case_is_opened),
    Row(its_0400, void_approved, "00", TOOK_BACK, "", the_sale_is_live_again),
    Row(its_0400, void_in_progress, "00", TOOK_BACK, "",
        the_sale_is_live_again_after_the_issuer_has_spoken),
    Row(its_0400, hold_completed, "00", "ReversalRequested CaseOpened ReversalAccepted", ""),
    Row(an_advice, absent, "00", f"{ASKED} AdviceAccepted", "", the_issuer_is_told),
    Row(the_same_again, advice_accepted, "00", "", "", the_issuer_is_told),
    Row(a_repeat, advice_accepted, "00", "", "", the_issuer_is_told),
    Row(a_refund, approved, "00", f"{ASKED} {SENT} {SAID_YES}", "0220"),
    Row(a_refund_over_the_rest, approved, "61", f"{ASKED} PaymentDeclined", ""),
    Row(a_refund_over_the_rest, refunded, "61", f"{ASKED} PaymentDeclined", ""),
    Row(a_repeat, refund_approved, "00", "", ""),
    Row(a_repeat, refund_unanswered, "98", "", ""),
    Row(a_late_approval, silent, "98", TOO_LATE, "", it_never_becomes_an_approval),
    Row(a_late_decline, silent, "98", "LateAnswerReceived", "", no_debit_is_left),
)
# fmt: on


def act(row, scene):
    """Let the row's message arrive and compare what follows at once."""
    scene.rise()
    row.arrives(scene)
    assert scene.till.told(scene.came) == row.answer
    assert " ".join(scene.events()) == row.records
    assert " ".join(scene.upstream()) == row.upstream
    scene.rise()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_the_decision_is_that_of_the_table(world, till, row):
    scene = Scene(world, till, 100)
    row.state(scene)
    act(row, scene)
    row.then(scene)


def test_a_late_approval_does_not_keep_the_reversal_from_being_sent(world, till):
    scene = Scene(world, till, 100)
    in_progress(scene)
    world.partition.on_links((), frozenset({"issuer-1"}), world.now)
    world.pass_ms(200)
    a_late_approval(scene)
    assert scene.upstream() == ["0200"], "the line is down, the reversal still waits"
    world.partition.on_links(("issuer-1",), frozenset(), world.now)
    world.pass_ms(100)
    assert scene.upstream() == ["0200", "0420"]
    it_never_becomes_an_approval(scene)


@pytest.mark.parametrize(
    "rows",
    list(itertools.pairwise(TABLE)),
    ids=lambda rows: f"{rows[0].name} | {rows[1].name}",
)
def test_two_neighbours_in_the_table_do_not_mix(world, till, other_till, rows):
    scenes = [Scene(world, till, 100), Scene(world, other_till, 200)]
    for row, scene in zip(rows, scenes, strict=True):
        row.state(scene)
    for row, scene in zip(rows, scenes, strict=True):
        act(row, scene)
    for scene in scenes:
        scene.rise()
    for row, scene in zip(rows, scenes, strict=True):
        row.then(scene)
