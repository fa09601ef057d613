"""Every transaction as it is typed at a shell; `docs/demo-world.md` is written from here."""

from typing import Final, NamedTuple


class TypedStep(NamedTuple):
    """
    One command of the session: what it is for, and how it ends.

    `kind` is the end that `switch pos` tells, empty for other commands. `shows` must be in what is
    printed (with `--format json`, where the command has it).
    """

    command: str
    words: str
    kind: str = "approved"
    shows: str = ""


class TypedPart(NamedTuple):
    """Steps that belong together, and what they are about."""

    title: str
    steps: tuple[TypedStep, ...]


_S: Final = TypedStep
SESSION: Final = (
    TypedPart(
        "The day begins",
        (
            _S("switch pos sign-on", "new working keys, and the number of the batch"),
            _S("switch pos echo", "is the switch there?"),
            _S("switch pos balance", "what the account holds", shows='"balances"'),
        ),
    ),
    TypedPart(
        "A sale and what may become of it",
        (
            _S("switch pos sale --amount 12.34", "debited"),
            _S("switch pos sale --repeat", "the same bytes: the same answer, no second debit"),
            _S("switch pos void", "the whole of it, back in the same batch"),
            _S("switch pos sale --amount 20.00", "debited"),
            _S("switch pos refund --amount 5.00", "a part, at any time within 180 days"),
            _S("switch pos refund --amount 15.00", "and the rest; more is refused"),
            _S("switch pos sale --amount 30.00 --instalment", "to be paid in parts"),
            _S("switch pos script-notice", "what the chip made of the issuer's command"),
            _S("switch pos sale --amount 9.00", "debited"),
            _S("switch pos reverse", "taken back by an 0400", kind="reversed"),
            _S(
                "switch pos sale --amount 8.00 --drop-answer",
                "the answer is lost: the terminal owes a reversal",
                kind="unanswered",
                shows='"owes_reversal":true',
            ),
        ),
    ),
    TypedPart(
        "A hold and its completion",
        (
            _S("switch pos pre-auth --amount 100.00", "what is owed goes first; then held"),
            _S("switch pos complete --amount 110.00", "debited, up to 115 % of the hold"),
            _S("switch pos complete-void", "returned; the amount is held again"),
            _S("switch pos pre-auth-void", "the hold is released"),
            _S("switch pos pre-auth --amount 50.00", "held"),
            _S("switch pos complete --advice --amount 50.00", "reported; the issuer is told"),
        ),
    ),
    TypedPart(
        "Sales that were made without the line",
        (
            _S("switch pos offline --amount 7.00", "reported; the issuer is told until it answers"),
            _S("switch pos adjust --tip --amount 8.00", "its new total: with a tip"),
            _S("switch pos adjust --amount 8.50", "its new total: 0.50 more are debited"),
            _S("switch pos offline --e-cash --amount 2.00", "paid from the chip's own purse"),
            _S("switch pos refund --e-cash --amount 2.00", "and back"),
        ),
    ),
    TypedPart(
        "Closing the batch, and what both sides must agree on",
        (
            _S("switch pos settle", "totals compared: balanced", shows='"is_balanced":true'),
            _S("switch pos offline --amount 3.51", "reported; but the issuer declines it (51)"),
            _S(
                "switch pos settle",
                "so the totals differ, and the payments are uploaded",
                kind="unbalanced",
                shows='"uploaded_count":1',
            ),
            _S("switch pos sign-off", "taken; it binds nobody who still makes the MAC"),
        ),
    ),
    TypedPart(
        "What the others know of it",
        (
            _S(
                "switch case list",
                "what a person must see to: the report that was declined",
                kind="",
                shows="advice-refused",
            ),
            _S("switch settlement show", "what the merchant is owed", kind="", shows="898110154"),
            _S("switch issuer ledger", "what the issuer booked", kind="", shows="void"),
        ),
    ),
)
