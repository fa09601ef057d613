"""
The story that the tour tells: seven things that happen to payments, each with its verdict.

Each step does something to a real instance, waits for what must follow, and writes down whatever
is not as it must be. Nothing here is believed because the switch says so: the verdict on the money
is made from the issuer's ledger.
"""

from collections.abc import Callable, Iterator
from typing import Final

from switch.demo.tour_ledger import NO_DEBIT, ONE_DEBIT, RETURNED, find_strangers
from switch.demo.tour_report import StepReport
from switch.demo.tour_stage import RETURN_S, StepNotes, TourStage
from switch.demo.tour_terminal import TourTerminal
from switch.terminal.orders import SaleOrder
from switch.terminal.outcome import OutcomeKind, PosOutcome
from switch.terminal.receipt import explain

FIRST_MINOR: Final = 1_234
OTHER_MINOR: Final = 4_321
LOST_MINOR: Final = 2_345
SILENT_MINOR: Final = 1_998  # the demo issuer books amounts ending in 98 and never answers
KILLED_MINOR: Final = 2_998
REFUSED_MINOR: Final = 1_500
UNKNOWN: Final = "98"
CONFLICT: Final = "94"


class Story:
    """The seven steps, in order; `run` yields each as soon as it is over."""

    def __init__(
        self,
        stage: TourStage,
        make_order: Callable[[int], SaleOrder],
        inactive: TourTerminal,
        inactive_status: str,
    ) -> None:
        """`inactive` is a terminal whose merchant is not active, but is `inactive_status`."""
        self._stage = stage
        self._terminal = stage.terminal
        self._make_order = make_order
        self._inactive = inactive
        self._inactive_status = inactive_status
        self._first_answer = b""
        self._first_rrn = ""

    def run(self) -> Iterator[StepReport]:
        """Tell the story."""
        for step in (
            self.pay,
            self.send_the_same_bytes,
            self.bend_the_amount,
            self.lose_the_answer,
            self.meet_silence,
            self.kill_in_the_middle,
            self.meet_an_inactive_merchant,
        ):
            yield step()

    def check_whole_ledger(self) -> list[str]:
        """Look for money that moved without any step's asking."""
        return find_strangers(self._stage.read_ledger(), self._stage.rrns)

    def pay(self) -> StepReport:
        """Step 1: nothing goes wrong."""
        notes = StepNotes(1, "A payment", "一笔消费", ONE_DEBIT)
        self._stage.say("a sale of 12.34 CNY")
        outcome = notes.hear(self._terminal.sell(self._make_order(FIRST_MINOR)))
        notes.tell("The terminal asks for 12.34 CNY; the issuer says yes; the receipt is printed.")
        _expect(notes, outcome, OutcomeKind.APPROVED)
        self._first_answer = self._terminal.answer
        self._first_rrn = outcome.rrn
        return self._stage.report(notes)

    def send_the_same_bytes(self) -> StepReport:
        """Step 2: a terminal that is not sure asks once more."""
        notes = StepNotes(2, "The same bytes again", "同一报文重发", ONE_DEBIT)
        self._stage.say("the same bytes once more")
        _expect(notes, notes.hear(self._terminal.repeat()), OutcomeKind.APPROVED)
        self._expect_first_answer(notes)
        notes.tell(
            "The same message is sent once more, over a new connection. The answer is the stored"
            f" one, the same {len(self._terminal.answer)} bytes; the issuer hears nothing of it."
        )
        return self._stage.report(notes)

    def bend_the_amount(self) -> StepReport:
        """Step 3: a key that was used is used for something else."""
        notes = StepNotes(3, "The same key, another amount", "同一流水,另一金额", ONE_DEBIT)
        self._stage.say("the same key with another amount, and a right MAC")
        outcome = notes.hear(self._terminal.repeat_with_amount(OTHER_MINOR))
        _expect(notes, outcome, OutcomeKind.DECLINED, CONFLICT)
        self._terminal.repeat()
        self._expect_first_answer(notes)
        notes.rrn = self._first_rrn
        notes.tell(
            "The terminal reuses its trace number for 43.21 CNY, with a right MAC: refused with 94."
            " Then the first message again: its first answer, untouched, to the byte."
        )
        wrong = [e for e in self._stage.read_ledger() if e.amount_minor == OTHER_MINOR]
        notes.check(not wrong, "the issuer was told about the other amount")
        return self._stage.report(notes)

    def lose_the_answer(self) -> StepReport:
        """Step 4: the money moved, and nobody at the counter knows."""
        notes = StepNotes(4, "An answer lost on its way", "应答在途中丢失", ONE_DEBIT)
        self._stage.say("a sale of 23.45 CNY whose answer nobody reads")
        self._terminal.begin_sale(self._make_order(LOST_MINOR))
        rrn = self._stage.wait_rrn()
        approved = self._stage.wait_event(rrn, "payment-approved.v1")
        notes.check(approved, "the journal never showed the approval")
        lost = notes.hear(self._terminal.lose_line())
        notes.check(lost.kind is OutcomeKind.UNANSWERED, f"the terminal heard: {lost.kind.value}")
        self._stage.say("the line is cut; the terminal asks again")
        outcome = notes.hear(self._terminal.repeat())
        _expect(notes, outcome, OutcomeKind.APPROVED)
        notes.check(outcome.rrn == rrn, f"the repeat got RRN {outcome.rrn}, the first was {rrn}")
        notes.tell(
            "The issuer debits, the journal holds the approval, but the line is cut before the"
            " terminal reads a byte. It asks again, and gets the answer that was lost."
        )
        return self._stage.report(notes)

    def meet_silence(self) -> StepReport:
        """Step 5: the issuer took the debit and says nothing, ever."""
        notes = StepNotes(5, "An issuer that never answers", "发卡行始终不应答", RETURNED)
        self._stage.say("a sale of 19.98 CNY; the issuer debits and stays silent (3 s)")
        outcome = notes.hear(self._terminal.sell(self._make_order(SILENT_MINOR)))
        _expect(notes, outcome, OutcomeKind.DECLINED, UNKNOWN)
        self._wait_return(notes)
        notes.tell(
            "The issuer books the debit and never says so. The terminal is told 98 once the"
            " intent to reverse is durable; the reversal is sent until the issuer answers it, and"
            " once more after the longest delay that the debit could have had."
        )
        return self._stage.report(notes)

    def kill_in_the_middle(self) -> StepReport:
        """Step 6: everything of the switch dies while the debit is at the issuer."""
        notes = StepNotes(6, "kill -9 in the middle of a debit", "扣款途中断电", RETURNED)
        stage, terminal = self._stage, self._terminal
        stage.say("a sale of 29.98 CNY, until the debit is at the issuer")
        terminal.begin_sale(self._make_order(KILLED_MINOR))
        rrn = stage.wait_debit(KILLED_MINOR)
        notes.check(bool(rrn), "the debit never reached the issuer")
        stage.say(f"kill -9 of the whole process group {stage.instance.pid}")
        stage.instance.kill()
        lost = notes.hear(terminal.lose_line())
        notes.check(lost.kind is OutcomeKind.UNANSWERED, f"the terminal heard: {lost.kind.value}")
        seconds = stage.instance.start(stage.say)
        stage.say("running again; the terminal asks what became of its payment")
        outcome = notes.hear(terminal.repeat())
        _expect(notes, outcome, OutcomeKind.DECLINED, UNKNOWN)
        notes.check(outcome.rrn == rrn, f"the repeat got RRN {outcome.rrn}, the debit's is {rrn}")
        notes.rrn = rrn
        self._wait_return(notes)
        notes.tell(
            "The debit is in the issuer's ledger, the switch is killed, and nobody knows the"
            f" outcome. Ready again after {seconds:.1f} s, the switch finds a debit that it routed"
            " and nothing else: it never sends it again, tells the terminal 98, and returns it."
        )
        return stage.report(notes)

    def meet_an_inactive_merchant(self) -> StepReport:
        """Step 7: a no that explains itself."""
        notes = StepNotes(7, "A merchant that is not active", "商户未启用", NO_DEBIT)
        self._stage.say(f"a sale at a merchant that is {self._inactive_status}")
        outcome = notes.hear(self._inactive.sell(self._make_order(REFUSED_MINOR)))
        _expect(notes, outcome, OutcomeKind.DECLINED)
        notes.check(bool(outcome.reason), "the refusal gives no reason")
        meaning = explain(outcome)
        notes.check(
            meaning.money_state.value == "not-debited",
            f"the receipt says of the money: {meaning.money_state.value}",
        )
        notes.tell(
            f"The registry says of merchant {outcome.merchant_id}: {self._inactive_status}. The"
            " receipt says who must act and what to do next; nothing was sent to any issuer."
        )
        return self._stage.report(notes)

    def _expect_first_answer(self, notes: StepNotes) -> None:
        same = self._terminal.answer == self._first_answer
        notes.check(same, "the first message's repeat got other bytes than the first answer")

    def _wait_return(self, notes: StepNotes) -> None:
        self._stage.say("the reversal goes out until it is answered, and once more to be sure")
        returned = self._stage.wait_event(notes.rrn, "payment-reversed.v1", RETURN_S)
        notes.check(returned, f"the journal shows no return within {RETURN_S:.0f} s")


def _expect(notes: StepNotes, outcome: PosOutcome, kind: OutcomeKind, code: str = "") -> None:
    """Complain about an outcome of another kind, or of another code if one is named."""
    said = f"the terminal was told {outcome.response_code or 'nothing'} ({outcome.kind.value})"
    fits = outcome.kind is kind and code in {"", outcome.response_code}
    notes.check(fits, f"{said} instead of {code or kind.value}")
