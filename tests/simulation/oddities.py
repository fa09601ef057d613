"""Terminals and shops with which something is wrong, one for each refusal that it leads to."""

from typing import NamedTuple

from msgspec.structs import replace

from switch.domain.registry.entities import Merchant, MerchantStatus, Terminal

FOREIGN_CARD = "3530111333300000"  # of no issuer in this world
WRONG_PIN_BLOCK = bytes(range(8))


class Oddity(NamedTuple):
    """What is wrong: with the shop, the terminal, or what the terminal says; all may be empty."""

    shop: dict[str, object] = {}  # noqa: RUF012 - a row of a table
    terminal: dict[str, object] = {}  # noqa: RUF012
    fields: dict[str, object] = {}  # noqa: RUF012
    is_shop_unknown: bool = False
    is_terminal_unknown: bool = False
    sign_on_scheme: str = ""


ODDITIES = {
    "merchant-closed": Oddity(shop={"status": MerchantStatus.CLOSED}),
    "merchant-incomplete": Oddity(shop={"settlement_account": ""}),
    "merchant-unknown": Oddity(is_shop_unknown=True),
    "not-bound": Oddity(terminal={"merchant_id": "", "serial_number": ""}),
    "bound-elsewhere": Oddity(terminal={"merchant_id": "898110154110001"}),
    "terminal-unknown": Oddity(is_terminal_unknown=True),
    "without-key": Oddity(terminal={"mak": None}),
    "without-master-key": Oddity(terminal={"tmk": None}),
    "other-scheme": Oddity(sign_on_scheme="001"),
    "signed-off": Oddity(terminal={"signed_on": False, "tmk": None}),
    "nothing-enabled": Oddity(shop={"transactions": ()}),
    "chip-only": Oddity(shop={"entry_modes": ("05",)}),
    "other-trade": Oddity(shop={"mcc": "5812"}),
    "other-currency": Oddity(fields={"currency": "840"}),
    "no-amount": Oddity(fields={"amount_transaction": "000000000000"}),
    "small-shop": Oddity(shop={"amount_max_minor": 100_000}),
    "few-a-day": Oddity(shop={"daily_count_max": 1}),
    "little-a-day": Oddity(shop={"daily_amount_max_minor": 300_000}),
    "foreign-card": Oddity(fields={"pan": FOREIGN_CARD}),
    "wrong-pin": Oddity(
        fields={
            "pos_entry_mode": "011",
            "pin_capture_code": "12",
            "pin_block": WRONG_PIN_BLOCK,
            "security_control": "2600000000000000",
        }
    ),
    "strange-code": Oddity(fields={"processing_code": "990000"}),
}


def spoil_shop(merchant: Merchant, oddity: str) -> Merchant:
    changes = ODDITIES[oddity].shop if oddity else {}
    return replace(merchant, **changes) if changes else merchant


def spoil_terminal(terminal: Terminal, oddity: str) -> Terminal:
    changes = ODDITIES[oddity].terminal if oddity else {}
    return replace(terminal, **changes) if changes else terminal
