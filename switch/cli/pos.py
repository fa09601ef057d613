"""`switch pos`: a point-of-sale terminal on the command line."""

from typing import TYPE_CHECKING, Final

import click

from switch.cli.failure import usage_failure
from switch.cli.pos_business import echo, settle, sign_off, sign_on
from switch.cli.pos_counter import CURRENCY, Counter, Digits, at_counter
from switch.cli.pos_payments import (
    adjust,
    amount_option,
    balance,
    complete,
    complete_void,
    drop_option,
    entry_mode_option,
    expiry_option,
    mac_option,
    make_order,
    offline,
    pan_option,
    pin_option,
    pre_auth,
    pre_auth_void,
    refund,
    script_notice,
    void,
)

if TYPE_CHECKING:
    from switch.domain.clock import Now
    from switch.terminal.actions import PosAction
    from switch.terminal.pos import Pos
    from switch.terminal.state import PosState

SHOWN_COUNT_MAX: Final = 20  # payments that `status` lists; the latest


@click.group()
def pos() -> None:
    """
    Take payments as a cashier would, against a running instance.

    The terminal remembers its trace number, batch, keys, payments and what it owes in DIR/pos/.
    """


@pos.command(short_help="Ask for a payment and print the receipt.")
@amount_option
@click.option("--repeat", is_flag=True, help="Send the last payment again, the same bytes.")
@drop_option
@pan_option
@expiry_option
@entry_mode_option
@pin_option
@click.option("--instalment", is_flag=True, help="To be paid in parts (DE 25 = 64).")
@click.option(
    "--merchant-type", type=Digits(4, 4), help="DE 18: a merchant category, else none is sent."
)
@click.option(
    "--currency",
    type=Digits(3, 3),
    default=CURRENCY,
    show_default=True,
    help="DE 49: an ISO 4217 number.",
)
@click.option(
    "--batch", type=Digits(6, 6), help="DE 60.2, from this payment on; else the terminal's own."
)
@mac_option
@at_counter
def sale(
    counter: Counter,
    *,
    amount: str | None,
    repeat: bool,
    drop_answer: bool,
    pan: str | None,
    expiry: str | None,
    entry_mode: str,
    pin: str | None,
    instalment: bool,
    merchant_type: str | None,
    currency: str,
    batch: str | None,
    wrong_mac: bool,
) -> None:
    """Ask for a payment and print the receipt (exit code 0: approved, 1: not)."""
    from switch.terminal.operations import Operation

    if repeat == (amount is not None):
        raise usage_failure("give either --amount or --repeat")
    operation = Operation.INSTALMENT_SALE if instalment else Operation.SALE

    def begin(pos: "Pos", state: "PosState", now: "Now") -> "list[PosAction]":
        state.merchant_type = merchant_type or ""
        state.batch = batch or state.batch
        if amount is None:
            return pos.start_repeat(now)
        order = make_order(
            operation, amount, pan, expiry, pin=pin, currency=currency, entry_mode=entry_mode
        )
        return pos.start_payment(order, now)

    counter.run(begin, drops_answer=drop_answer, breaks_mac=wrong_mac)


@pos.command(short_help="Take the last payment back (0400).")
@click.option(
    "--reason",
    type=click.Choice(["98", "96", "A0", "06"]),
    default="98",
    show_default=True,
    help="Why: no answer, terminal fault, MAC wrong, other.",
)
@at_counter
def reverse(counter: Counter, *, reason: str) -> None:
    """Take the last payment back (0400), whatever it was; refunds and advices never are."""
    counter.run(lambda pos, _state, now: pos.start_reversal(reason, now))


@pos.command(short_help="Show what the terminal remembers.")
@at_counter
def status(counter: Counter) -> None:
    """Show what the terminal remembers, with the payments that a void or refund may name."""
    import json

    state = counter.load_state()
    shown = _describe_state(state) | {"file": str(counter.file.path)}
    payments = _list_payments(state)
    if counter.shows_json:
        click.echo(json.dumps(shown | {"payments": payments}, indent=2))
        return
    for name, text in shown.items():
        click.echo(f"{name:<18} {text}")
    if payments:
        _print_payments(payments)


def _describe_state(state: "PosState") -> dict[str, str]:
    from switch.terminal.batch import add_up

    last, closing = state.last, state.closing
    totals = add_up(state.payments, state.batch)
    return {
        "terminal": state.terminal_id,
        "merchant": state.merchant_id,
        "profile": state.profile,
        "signed on": f"yes, keys {state.key_scheme}" if state.is_signed_on else "not by this shell",
        "batch": state.batch,
        "batch totals": f"{totals.debit_count} debits, {totals.credit_count} credits",
        "closing": f"interrupted at its {closing.step}" if closing else "no",
        "last trace number": f"{state.stan:06d}",
        "last payment": f"{last.mti} STAN {last.fields['stan']}" if last else "none",
        "owes a reversal": f"yes, reason {last.owed_reason}" if last and last.owed_reason else "no",
        "owes a repeat": "yes" if state.owes_repeat else "no",
    }


def _list_payments(state: "PosState") -> list[dict[str, str]]:
    from switch.domain.card import mask_pan
    from switch.domain.money import format_minor

    return [
        {
            "batch": payment.batch,
            "stan": payment.stan,
            "operation": payment.operation.value,
            "amount": format_minor(payment.amount_minor, payment.currency),
            "card": mask_pan(payment.pan),
            "rrn": payment.rrn,
            "authorization_id": payment.authorization_id,
            "state": "reversed" if payment.is_reversed else "approved",
        }
        for payment in state.payments[-SHOWN_COUNT_MAX:]
    ]


def _print_payments(payments: "list[dict[str, str]]") -> None:
    from switch.cli.screen import make_console, make_table, print_table

    table = make_table()
    for name in payments[0]:
        heading = name.partition("_")[0]
        table.add_column(heading, justify="right" if name == "amount" else "left", no_wrap=True)
    for row in payments:
        table.add_row(*row.values())
    print_table(make_console(), table)


for _command in (
    balance,
    void,
    refund,
    pre_auth,
    pre_auth_void,
    complete,
    complete_void,
    offline,
    adjust,
    script_notice,
    sign_on,
    sign_off,
    echo,
    settle,
):
    pos.add_command(_command)
