"""How each refusal is provoked in the demo world; `docs/demo-world.md` is written from here."""

from typing import Final, NamedTuple

from switch.domain.reasons import Reason


class Provocation(NamedTuple):
    """
    One refusal: `switch pos` with these arguments is answered with this reason.

    `detail` is what completes the reason's text, as far as it is the same each time. `before` is
    what must have been approved shortly before; with `before_reason`, the last of it was refused.
    """

    reason: Reason
    why: str
    arguments: str
    detail: str = ""
    before: tuple[str, ...] = ()
    before_reason: Reason | None = None


PROVOCATIONS: Final = (
    Provocation(
        Reason.FORMAT_ERROR,
        "the card number has two digits only",
        "sale --amount 1.00 --pan 62",
        detail="DE 2 pan: a card number has 13 to 19 digits",
    ),
    Provocation(
        Reason.TERMINAL_UNKNOWN,
        "no terminal of this number is registered",
        "sale --amount 1.00 --terminal 99999999",
    ),
    Provocation(
        Reason.TERMINAL_WITHOUT_KEY,
        "the terminal is registered, but no key was loaded into it",
        "sale --amount 1.00 --terminal 00000038",
    ),
    Provocation(
        Reason.MAC_INVALID,
        "the message's authentication code is wrong",
        "sale --amount 1.00 --wrong-mac",
    ),
    Provocation(
        Reason.MERCHANT_NOT_FOUND,
        "no merchant of this number is registered",
        "sale --amount 1.00 --terminal 00000012 --merchant 898110154119999",
    ),
    Provocation(
        Reason.TERMINAL_NOT_BOUND,
        "the terminal is on the agent's shelf",
        "sale --amount 1.00 --terminal 00000031 --merchant 898110154110001",
    ),
    Provocation(
        Reason.TERMINAL_MISMATCH,
        "the terminal belongs to another merchant",
        "sale --amount 1.00 --terminal 00000033 --merchant 898110154110001",
    ),
    Provocation(
        Reason.TERMINAL_INACTIVE,
        "the terminal was disabled",
        "sale --amount 1.00 --terminal 00000032",
        detail="disabled",
    ),
    Provocation(
        Reason.SIGN_ON_TOO_OFTEN,
        "four key sets that nobody used are enough, and none is of this kind",
        "sign-on --terminal 00000044 --scheme 001",
        detail="4 in 60 s",
        before=("sign-on --terminal 00000044",) * 4,
    ),
    Provocation(
        Reason.KEY_SCHEME_REFUSED,
        "the terminal's master key is for DES, the keys asked for are for SM4",
        "sign-on --terminal 00000042 --scheme 006",
        detail="sign-on 006 needs another master key than 003 has",
    ),
    Provocation(
        Reason.SIGN_ON_REQUIRED,
        "the terminal has not signed on",
        "sale --amount 1.00 --terminal 00000036",
    ),
    Provocation(
        Reason.BATCH_MISMATCH,
        "the terminal's open batch is 000002",
        "sale --amount 1.00 --terminal 00000037 --batch 000001",
        detail="open batch 000002",
    ),
    Provocation(
        Reason.MERCHANT_CLOSED,
        "the merchant is closed",
        "sale --amount 1.00 --terminal 00000014",
        detail="closed",
    ),
    Provocation(
        Reason.MERCHANT_FROZEN,
        "the merchant is frozen",
        "sale --amount 1.00 --terminal 00000013",
        detail="frozen",
    ),
    Provocation(
        Reason.MERCHANT_NOT_ACTIVE,
        "the merchant is approved, but nobody has activated it",
        "sale --amount 1.00 --terminal 00000011",
        detail="approved",
    ),
    Provocation(
        Reason.MERCHANT_NOT_ACTIVE,
        "the merchant is suspended",
        "sale --amount 1.00 --terminal 00000012",
        detail="suspended",
    ),
    Provocation(
        Reason.AGENT_NOT_ACTIVE,
        "the merchant's agent is suspended",
        "sale --amount 1.00 --terminal 00000016",
        detail="agent-suspended is suspended",
    ),
    Provocation(
        Reason.AGENT_NOT_ACTIVE,
        "the merchant's agent is active, but the one above it is suspended",
        "sale --amount 1.00 --terminal 00000017",
        detail="agent-suspended is suspended",
    ),
    Provocation(
        Reason.MERCHANT_CONFIG_INCOMPLETE,
        "fee plan and settlement account are missing",
        "sale --amount 1.00 --terminal 00000015",
        detail="fee_plan,settlement_account",
    ),
    Provocation(
        Reason.TXN_NOT_ENABLED,
        "sales are not enabled for the merchant",
        "sale --amount 1.00 --terminal 00000018",
        detail="merchant: sale",
    ),
    Provocation(
        Reason.TXN_NOT_ENABLED,
        "sales are not enabled for the terminal",
        "sale --amount 1.00 --terminal 00000034",
        detail="terminal: sale",
    ),
    Provocation(
        Reason.ENTRY_MODE_NOT_ENABLED,
        "the terminal takes chip cards only, the card number was typed in",
        "sale --amount 1.00 --terminal 00000035",
        detail="terminal: entry mode 01",
    ),
    Provocation(
        Reason.MCC_MISMATCH,
        "the message says 5999 (specialty retail), the approved category is 5411 (groceries)",
        "sale --amount 1.00 --merchant-type 5999",
        detail="message says 5999, approved is 5411",
    ),
    Provocation(
        Reason.CURRENCY_NOT_ENABLED,
        "the merchant is paid in 156 (CNY), not in 840 (USD)",
        "sale --amount 1.00 --currency 840",
        detail="message says 840, approved is 156",
    ),
    Provocation(
        Reason.AMOUNT_NOT_POSITIVE,
        "nothing is to be paid",
        "sale --amount 0.00",
    ),
    Provocation(
        Reason.AMOUNT_OVER_LIMIT,
        "the merchant takes at most 1.00 at a time",
        "sale --amount 1.01 --terminal 00000019",
        detail="limit 1.00 CNY",
    ),
    Provocation(
        Reason.DAILY_AMOUNT_OVER_LIMIT,
        "the merchant takes at most 1.00 a day",
        "sale --amount 1.01 --terminal 00000020",
        detail="limit 1.00 CNY",
    ),
    Provocation(
        Reason.DAILY_COUNT_OVER_LIMIT,
        "the merchant takes one payment a day",
        "sale --amount 1.00 --terminal 00000021",
        detail="limit 1",
        before=("sale --amount 1.00 --terminal 00000021",),
    ),
    Provocation(
        Reason.SUSPECTED_DUPLICATE,
        "the same card paid the same amount a moment ago; this shop waits a minute",
        "sale --amount 2.00 --terminal 00000053",
        before=("sale --amount 2.00 --terminal 00000053",),
    ),
    Provocation(
        Reason.ORIGINAL_NOT_FOUND,
        "no payment has this reference number",
        "refund --amount 1.00 --rrn 990000000001",
    ),
    Provocation(
        Reason.ORIGINAL_CARD_MISMATCH,
        "the card is not the one that paid",
        "void --pan 4111111111111111",
        before=("sale --amount 4.00",),
    ),
    Provocation(
        Reason.ORIGINAL_HELD,
        "the issuer never answers a void that ends in 88; until its reversal is confirmed (6 s),"
        " nobody else may change the sale",
        "void",
        before=("sale --amount 4.88", "void"),
        before_reason=Reason.UPSTREAM_UNKNOWN,
    ),
    Provocation(
        Reason.ORIGINAL_NOT_OPEN,
        "what was refunded cannot be voided as well",
        "void",
        detail="refunded",
        before=("sale --amount 4.00", "refund --amount 4.00"),
    ),
    Provocation(
        Reason.ORIGINAL_REFUND_ONLY,
        "1.00 of the 4.00 has been refunded; what is left can only be refunded as well",
        "void",
        detail="partly-refunded",
        before=("sale --amount 4.00", "refund --amount 1.00"),
    ),
    Provocation(
        Reason.ORIGINAL_OF_OTHER_BATCH,
        "the batch of the sale is closed; its money can still be refunded",
        "void --terminal 00000041",
        detail="batch 000001",
        before=(
            "sale --amount 4.00 --terminal 00000041",
            "settle --terminal 00000041",
        ),
    ),
    Provocation(
        Reason.ORIGINAL_AMOUNT_MISMATCH,
        "a void takes the whole sale back, or nothing",
        "void --amount 3.00",
        before=("sale --amount 4.00",),
    ),
    Provocation(
        Reason.REFUND_OVER_REST,
        "1.00 of the 4.00 has been refunded",
        "refund --amount 3.01",
        detail="rest 3.00 CNY",
        before=("sale --amount 4.00", "refund --amount 1.00"),
    ),
    Provocation(
        Reason.COMPLETION_OVER_LIMIT,
        "a completion takes up to 115 % of what is held",
        "complete --amount 11.51",
        detail="limit 11.50 CNY",
        before=("pre-auth --amount 10.00",),
    ),
    Provocation(
        Reason.ISSUER_UNKNOWN,
        "no issuer has cards that begin with these digits",
        "sale --amount 1.00 --pan 6011111111111117",
    ),
    Provocation(
        Reason.NO_ROUTE,
        "the card's issuer has no route",
        "sale --amount 1.00 --pan 378282246310005",
    ),
    Provocation(
        Reason.ISSUER_DOWN,
        "the line to the card's issuer is down",
        "sale --amount 1.00 --pan 3566002020360505",
    ),
    Provocation(
        Reason.PIN_UNUSABLE,
        "the card's issuer has no key under which it could be told a PIN",
        "sale --amount 1.00 --pan 30569309025904 --pin 123456",
        detail="issuer issuer-stand-in has no zone PIN key",
    ),
    Provocation(
        Reason.ISSUER_DECLINED,
        "the issuer simulator declines amounts that end in 51 (55, 61, 91 likewise)",
        "sale --amount 1.51",
    ),
    Provocation(
        Reason.UPSTREAM_UNKNOWN,
        "the issuer simulator never answers amounts that end in 98; the debit is returned",
        "sale --amount 1.98",
    ),
    Provocation(
        Reason.REFUND_UNKNOWN,
        "the issuer simulator passes over the first two requests for a refund that ends in 98;"
        " it is repeated until it is answered",
        "refund --amount 1.98",
        before=("sale --amount 4.00",),
    ),
    Provocation(
        Reason.INQUIRY_UNANSWERED,
        "the issuer simulator never says what this card's account holds",
        "balance --pan 2223003122003222",
    ),
)
