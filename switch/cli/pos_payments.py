"""`switch pos`: what a cashier does with a card, besides a plain sale."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from switch.cli.failure import usage_failure
from switch.cli.pos_counter import CURRENCY, Approval, Counter, Digits, Expiry, at_counter

if TYPE_CHECKING:
    from switch.domain.clock import Now
    from switch.terminal.actions import PosAction
    from switch.terminal.operations import Operation
    from switch.terminal.orders import PaymentOrder
    from switch.terminal.pos import Pos
    from switch.terminal.state import PosState

# tag DF31: what became of the issuer's command to the chip; here: carried out
_SCRIPT_RESULT: Final = "DF31052000000000"

amount_option = click.option("--amount", help="As people write it: 12.34.")
needed_amount_option = click.option("--amount", required=True, help="As people write it: 12.34.")
pan_option = click.option("--pan", type=Digits(1, 19), help="Card number; the demo's card.")
expiry_option = click.option("--expiry", type=Expiry(), help="YYMM; the demo card's.")
entry_mode_option = click.option(
    "--entry-mode",
    type=Digits(3, 3),
    default="012",
    show_default=True,
    help="DE 22: how the card is read.",
)
pin_option = click.option("--pin", type=Digits(1, 12), help="The cardholder's PIN, for DE 52.")
drop_option = click.option("--drop-answer", is_flag=True, help="Lose the answer on its way back.")
mac_option = click.option("--wrong-mac", is_flag=True, help="Send a wrong MAC.")
_QUOTING: Final = (
    click.option("--stan", type=Digits(1, 6), help="Trace number of the payment it concerns."),
    click.option("--in-batch", type=Digits(1, 6), help="That payment's batch; else any."),
    click.option("--rrn", type=Digits(12, 12), help="That payment's reference number."),
    click.option("--authorization-id", type=Approval(), help="That payment's approval."),
    click.option("--date", type=Digits(4, 4), help="That payment's date, MMDD."),
    pan_option,
)


class Named(NamedTuple):
    """How the options name an earlier payment; empty where they do not."""

    stan: str
    batch: str
    rrn: str
    authorization_id: str
    date: str
    pan: str


def quoting(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name an earlier payment; it is called with `named`."""

    @functools.wraps(command)
    def wrapped(
        *,
        stan: str | None,
        in_batch: str | None,
        rrn: str | None,
        authorization_id: str | None,
        date: str | None,
        pan: str | None,
        **options: object,
    ) -> None:
        named = Named(
            stan=stan.rjust(6, "0") if stan else "",
            batch=in_batch.rjust(6, "0") if in_batch else "",
            rrn=rrn or "",
            authorization_id=authorization_id or "",
            date=date or "",
            pan=pan or "",
        )
        command(named=named, **options)

    decorated: Callable[..., None] = wrapped
    for option in reversed(_QUOTING):
        decorated = option(decorated)
    return decorated


@click.command(short_help="Ask what an account holds.")
@pan_option
@expiry_option
@pin_option
@at_counter
def balance(counter: Counter, *, pan: str | None, expiry: str | None, pin: str | None) -> None:
    """Ask what the card's account holds (balance inquiry)."""
    from switch.terminal.operations import Operation

    _run_plain(counter, Operation.BALANCE, "", pan, expiry, pin=pin)


@click.command("pre-auth", short_help="Hold an amount.")
@needed_amount_option
@pan_option
@expiry_option
@pin_option
@drop_option
@at_counter
def pre_auth(
    counter: Counter,
    *,
    amount: str,
    pan: str | None,
    expiry: str | None,
    pin: str | None,
    drop_answer: bool,
) -> None:
    """Hold an amount for a later completion (pre-authorization)."""
    from switch.terminal.operations import Operation

    _run_plain(
        counter,
        Operation.PRE_AUTHORIZATION,
        amount,
        pan,
        expiry,
        pin=pin,
        drops_answer=drop_answer,
    )


@click.command(short_help="Report a sale that was made without the line.")
@needed_amount_option
@pan_option
@expiry_option
@click.option("--authorization-id", type=Approval(), help="An approval given by telephone.")
@click.option("--e-cash", is_flag=True, help="Paid from the chip's own purse.")
@drop_option
@at_counter
def offline(
    counter: Counter,
    *,
    amount: str,
    pan: str | None,
    expiry: str | None,
    authorization_id: str | None,
    e_cash: bool,
    drop_answer: bool,
) -> None:
    """Report a sale that was made without the line (0220)."""
    from switch.terminal.operations import Operation

    operation = Operation.E_CASH_SALE if e_cash else Operation.OFFLINE
    _run_plain(
        counter,
        operation,
        amount,
        pan,
        expiry,
        authorization_id=authorization_id or "",
        drops_answer=drop_answer,
    )


def _run_plain(
    counter: Counter,
    operation: "Operation",
    amount: str,
    pan: str | None,
    expiry: str | None,
    *,
    pin: str | None = None,
    authorization_id: str = "",
    drops_answer: bool = False,
) -> None:
    """Do what concerns no earlier payment."""
    from msgspec.structs import replace

    def begin(pos: "Pos", _state: "PosState", now: "Now") -> "list[PosAction]":
        order = make_order(operation, amount, pan, expiry, pin=pin)
        return pos.start_payment(replace(order, authorization_id=authorization_id), now)

    counter.run(begin, drops_answer=drops_answer)


def make_order(
    operation: "Operation",
    amount: str,
    pan: str | None,
    expiry: str | None,
    *,
    pin: str | None = None,
    currency: str = CURRENCY,
    entry_mode: str = "012",
) -> "PaymentOrder":
    """
    Put an order together from a command's options; the demo's card where none is given.

    Raises:
        ValueError: no amount, or no currency.
    """
    from switch.apps.demo import DEMO_EXPIRATION_DATE, DEMO_PAN
    from switch.terminal.orders import PaymentOrder

    return PaymentOrder(
        operation=operation,
        pan=pan or DEMO_PAN,
        amount_minor=read_amount(amount, currency) if amount else 0,
        expiration_date=expiry or ("" if pan else DEMO_EXPIRATION_DATE),
        currency=currency,
        pos_entry_mode=entry_mode,
        pin=pin or "",
    )


def read_amount(amount: str, currency: str) -> int:
    """
    Read an amount as people write it; give it in minor units.

    Raises:
        ValueError: no amount of that currency, or no currency.
    """
    from switch.domain.money import parse_amount

    try:
        return parse_amount(amount, currency).minor
    except KeyError as error:
        raise ValueError(f"no currency has the number {currency!r}") from error


# -- what concerns an earlier payment


@click.command(short_help="Take a sale of this batch back.")
@quoting
@amount_option
@pin_option
@drop_option
@at_counter
def void(
    counter: Counter, *, named: Named, amount: str | None, pin: str | None, drop_answer: bool
) -> None:
    """Take a sale of this batch back, whole."""
    from switch.terminal.operations import Operation

    _run_quoting(counter, Operation.VOID, named, amount, pin=pin, drops_answer=drop_answer)


@click.command(short_help="Give money back.")
@quoting
@needed_amount_option
@click.option("--e-cash", is_flag=True, help="Of a sale that was paid from the chip's own purse.")
@drop_option
@at_counter
def refund(counter: Counter, *, named: Named, amount: str, e_cash: bool, drop_answer: bool) -> None:
    """Give money of an earlier payment back, whole or in part."""
    from switch.terminal.operations import Operation

    operation = Operation.E_CASH_REFUND if e_cash else Operation.REFUND
    _run_quoting(counter, operation, named, amount, drops_answer=drop_answer)


@click.command("pre-auth-void", short_help="Release what is held.")
@quoting
@amount_option
@pin_option
@drop_option
@at_counter
def pre_auth_void(
    counter: Counter, *, named: Named, amount: str | None, pin: str | None, drop_answer: bool
) -> None:
    """Release what a pre-authorization holds."""
    from switch.terminal.operations import Operation

    operation = Operation.PRE_AUTHORIZATION_VOID
    _run_quoting(counter, operation, named, amount, pin=pin, drops_answer=drop_answer)


@click.command(short_help="Take what is held.")
@quoting
@amount_option
@pin_option
@click.option("--advice", is_flag=True, help="Report it (0220) instead of asking for it (0200).")
@drop_option
@at_counter
def complete(
    counter: Counter,
    *,
    named: Named,
    amount: str | None,
    pin: str | None,
    advice: bool,
    drop_answer: bool,
) -> None:
    """Take what a pre-authorization holds, up to 115 percent of it."""
    from switch.terminal.operations import Operation

    operation = Operation.COMPLETION_ADVICE if advice else Operation.COMPLETION
    _run_quoting(counter, operation, named, amount, pin=pin, drops_answer=drop_answer)


@click.command("complete-void", short_help="Take a completion back.")
@quoting
@amount_option
@pin_option
@drop_option
@at_counter
def complete_void(
    counter: Counter, *, named: Named, amount: str | None, pin: str | None, drop_answer: bool
) -> None:
    """Take a completion back; its pre-authorization holds again."""
    from switch.terminal.operations import Operation

    operation = Operation.COMPLETION_VOID
    _run_quoting(counter, operation, named, amount, pin=pin, drops_answer=drop_answer)


@click.command(short_help="Report a new total for an earlier payment.")
@quoting
@needed_amount_option
@click.option("--tip", is_flag=True, help="Because of a tip (60.1 = 34, else 32).")
@drop_option
@at_counter
def adjust(counter: Counter, *, named: Named, amount: str, tip: bool, drop_answer: bool) -> None:
    """Report a new total for an earlier payment (0220): --amount is the whole of it."""
    from switch.terminal.operations import Operation

    operation = Operation.TIP if tip else Operation.ADJUSTMENT
    _run_quoting(counter, operation, named, amount, drops_answer=drop_answer)


@click.command("script-notice", short_help="Report what the chip made of an issuer's command.")
@quoting
@click.option(
    "--result", default=_SCRIPT_RESULT, show_default=True, help="DE 55 in hex: tag DF31 and others."
)
@drop_option
@at_counter
def script_notice(counter: Counter, *, named: Named, result: str, drop_answer: bool) -> None:
    """Report what the chip made of the issuer's command in an earlier answer (0620)."""
    from switch.terminal.operations import Operation

    try:
        icc_data = bytes.fromhex(result)
    except ValueError as error:
        raise usage_failure("--result is hex digits, two a byte") from error
    operation = Operation.SCRIPT_NOTICE
    _run_quoting(counter, operation, named, None, icc_data=icc_data, drops_answer=drop_answer)


def _run_quoting(
    counter: Counter,
    operation: "Operation",
    named: Named,
    amount: str | None,
    *,
    pin: str | None = None,
    icc_data: bytes = b"",
    drops_answer: bool = False,
) -> None:
    """Do what concerns an earlier payment."""
    from msgspec.structs import replace

    from switch.terminal.operations import PAYMENT_ROWS

    def begin(pos: "Pos", state: "PosState", now: "Now") -> "list[PosAction]":
        order = _order_on_named(state, operation, named)
        if amount is not None:
            order = replace(order, amount_minor=read_amount(amount, order.currency))
        elif not order.amount_minor and PAYMENT_ROWS[operation].has_amount:
            raise ValueError("this terminal does not know that payment; give its --amount as well")
        return pos.start_payment(replace(order, pin=pin or "", icc_data=icc_data), now)

    counter.run(begin, drops_answer=drops_answer)


def _order_on_named(state: "PosState", operation: "Operation", named: Named) -> "PaymentOrder":
    """
    Order an operation on a payment that the terminal knows, or else on what the options say.

    Raises:
        ValueError: neither names one.
    """
    from msgspec.structs import replace

    from switch.terminal.batch import find_original, order_on
    from switch.terminal.orders import Original

    known = find_original(
        state.payments, operation, stan=named.stan, batch=named.batch, rrn=named.rrn
    )
    if known is not None:
        order, original = order_on(known, operation), known.original
    elif named.rrn or named.stan or named.authorization_id:
        order = make_order(operation, "", named.pan, None)
        original = Original(rrn=named.rrn, batch=named.batch, stan=named.stan)
    else:
        raise ValueError(
            f"this terminal knows no payment for this ({operation.value});"
            " name one with --rrn, --stan or --authorization-id"
        )
    original = replace(
        original,
        authorization_id=named.authorization_id or original.authorization_id,
        date=named.date or original.date,
    )
    return replace(order, original=original, pan=named.pan or order.pan)
