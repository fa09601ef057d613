"""
What a terminal may do besides a plain sale: each errand is a chain of messages.

An errand is a generator: it yields what to ask next and is sent what came back (None: it was taken
back). Amounts that come in are whole hundreds; their last two digits, which are orders to the
issuer simulator (docs/demo-world.md), are the errand's to choose.
"""

from collections.abc import Callable, Generator
from typing import Final, NamedTuple

from loadtest.lean_terminal import Course
from switch.terminal.operations import PAYMENT_ROWS, Operation

APPROVED: Final = "00"
UNKNOWN: Final = "98"
_O: Final = Operation
_HUNDRED: Final = 100


class Answered(NamedTuple):
    """An answer to an errand's message, with what a later message quotes of it."""

    operation: Operation
    stan: str
    rrn: str
    authorization_id: str


class Ask(NamedTuple):
    """
    One message: `expects` is the right answer's DE 39, `original` what it quotes.

    `is_lost`: the terminal does not hear the first answer, and does what it owes then.
    """

    operation: Operation
    amount_minor: int = 0
    original: Answered | None = None
    expects: str = APPROVED
    is_lost: bool = False

    @property
    def label(self) -> str:
        """Name the kind of latency."""
        if self.expects == UNKNOWN:
            return "silent"
        return "authorization" if self.operation is _O.SALE else self.operation.value

    @property
    def is_reversed(self) -> bool:
        """Whether the terminal takes it back if it hears no answer."""
        return PAYMENT_ROWS[self.operation].is_reversed

    @property
    def is_resent(self) -> bool:
        """Whether the terminal sends it again if it hears no answer."""
        return PAYMENT_ROWS[self.operation].is_resent


Errand = Generator[Ask, Answered | None, None]


# -- voids


def void(amount: int) -> Errand:
    """Sell, and take it back; a second void is refused."""
    sale = yield Ask(_O.SALE, amount)
    yield Ask(_O.VOID, amount, sale)
    yield Ask(_O.VOID, amount, sale, expects="25")


def void_unanswered(amount: int) -> Errand:
    """Void what the issuer never answers: the void is reversed, the sale stands."""
    sale = yield Ask(_O.SALE, amount + 88)
    yield Ask(_O.VOID, amount + 88, sale, expects=UNKNOWN)


def void_late(amount: int) -> Errand:
    """Void what the issuer answers too late."""
    sale = yield Ask(_O.SALE, amount + 87)
    yield Ask(_O.VOID, amount + 87, sale, expects=UNKNOWN)


def void_declined(amount: int) -> Errand:
    """Void what the issuer does not give back."""
    sale = yield Ask(_O.SALE, amount + 85)
    yield Ask(_O.VOID, amount + 85, sale, expects="05")


# -- refunds


def refund_in_parts(amount: int) -> Errand:
    """Give back a part, then the rest, then more than there is."""
    sale = yield Ask(_O.SALE, amount + _HUNDRED)
    yield Ask(_O.REFUND, _HUNDRED, sale)
    yield Ask(_O.REFUND, amount, sale)
    yield Ask(_O.REFUND, _HUNDRED, sale, expects="61")


def refund_unanswered(amount: int) -> Errand:
    """Give back what the issuer takes only when it is told the third time."""
    sale = yield Ask(_O.SALE, amount)
    yield Ask(_O.REFUND, amount - 2, sale, expects=UNKNOWN)


def refund_declined(amount: int) -> Errand:
    """Ask for a refund that the issuer declines, then for one that it does not."""
    sale = yield Ask(_O.SALE, amount)
    yield Ask(_O.REFUND, amount - 49, sale, expects="51")
    yield Ask(_O.REFUND, amount, sale)


# -- holds


def complete(amount: int) -> Errand:
    """Hold, take 10 % more than was held, take it back, release the hold."""
    hold = yield Ask(_O.PRE_AUTHORIZATION, amount)
    yield Ask(_O.COMPLETION, amount * 2, hold, expects="61")
    completion = yield Ask(_O.COMPLETION, amount * 11 // 10, hold)
    yield Ask(_O.COMPLETION_VOID, amount * 11 // 10, completion)
    yield Ask(_O.PRE_AUTHORIZATION_VOID, amount, hold)


def complete_by_advice(amount: int) -> Errand:
    """Hold, and report the completion."""
    hold = yield Ask(_O.PRE_AUTHORIZATION, amount)
    yield Ask(_O.COMPLETION_ADVICE, amount, hold)


def complete_and_refund(amount: int) -> Errand:
    """Hold, take it, and give a part back."""
    hold = yield Ask(_O.PRE_AUTHORIZATION, amount)
    completion = yield Ask(_O.COMPLETION, amount, hold)
    yield Ask(_O.REFUND, _HUNDRED, completion)


def completion_unanswered(amount: int) -> Errand:
    """Hold; the issuer never answers the completion, which is reversed: the hold stays."""
    hold = yield Ask(_O.PRE_AUTHORIZATION, amount)
    yield Ask(_O.COMPLETION, amount - 2, hold, expects=UNKNOWN)


def hold_unanswered(amount: int) -> Errand:
    """Hold what the issuer never answers."""
    yield Ask(_O.PRE_AUTHORIZATION, amount + 98, expects=UNKNOWN)


def release(amount: int) -> Errand:
    """Hold, and release the hold."""
    hold = yield Ask(_O.PRE_AUTHORIZATION, amount)
    yield Ask(_O.PRE_AUTHORIZATION_VOID, amount, hold)


# -- advices


def report(amount: int) -> Errand:
    """Report a sale, then its new total."""
    sale = yield Ask(_O.OFFLINE, amount)
    yield Ask(_O.TIP, amount + _HUNDRED, sale)


def report_refused(amount: int) -> Errand:
    """Report a sale that the issuer will not have: a case."""
    yield Ask(_O.OFFLINE, amount + 51)


def report_unanswered(amount: int) -> Errand:
    """Report a sale that the issuer takes only when it is told the third time."""
    yield Ask(_O.OFFLINE, amount + 98)


# -- answers that do not arrive, or are odd


def lose_sale(amount: int) -> Errand:
    """Sell; the terminal hears nothing and takes it back."""
    yield Ask(_O.SALE, amount, is_lost=True)


def lose_void(amount: int) -> Errand:
    """Sell and void; the terminal hears nothing and takes the void back: the sale stands."""
    sale = yield Ask(_O.SALE, amount)
    yield Ask(_O.VOID, amount, sale, is_lost=True)


def lose_refund(amount: int) -> Errand:
    """Sell and refund; the terminal hears nothing and sends the refund again."""
    sale = yield Ask(_O.SALE, amount)
    yield Ask(_O.REFUND, amount, sale, is_lost=True)


def lose_completion(amount: int) -> Errand:
    """Hold and take; the terminal hears nothing and takes the completion back."""
    hold = yield Ask(_O.PRE_AUTHORIZATION, amount)
    yield Ask(_O.COMPLETION, amount, hold, is_lost=True)


def lose_report(amount: int) -> Errand:
    """Report a sale; the terminal hears nothing and sends it again."""
    yield Ask(_O.OFFLINE, amount, is_lost=True)


def sell_for_other_amount(amount: int) -> Errand:
    """Sell; the issuer approves another amount, so nothing stands."""
    yield Ask(_O.SALE, amount + 93, expects=UNKNOWN)


def sell_answered_twice(amount: int) -> Errand:
    """Sell; the issuer says so twice."""
    yield Ask(_O.SALE, amount + 94)


def sell_answered_late(amount: int) -> Errand:
    """Sell; the issuer answers when nobody waits any more."""
    yield Ask(_O.SALE, amount + 97, expects=UNKNOWN)


def inquire(_amount: int) -> Errand:
    """Ask what the account holds."""
    yield Ask(_O.BALANCE)


ERRANDS: Final[dict[Course, tuple[Callable[[int], Errand], ...]]] = {
    Course.VOID: (void, void_unanswered, void_late, void_declined),
    Course.REFUND: (refund_in_parts, refund_unanswered, refund_declined),
    Course.HOLD: (
        complete,
        complete_by_advice,
        complete_and_refund,
        completion_unanswered,
        hold_unanswered,
        release,
    ),
    Course.ADVICE: (report, report_refused, report_unanswered),
    Course.INQUIRY: (inquire,),
    Course.LOST: (lose_sale, lose_void, lose_refund, lose_completion, lose_report),
    Course.ODD: (sell_for_other_amount, sell_answered_twice, sell_answered_late),
}
