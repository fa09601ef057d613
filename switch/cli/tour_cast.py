"""Whom the tour meets: two terminals of the demo world, and a card."""

import tomllib
from collections.abc import Callable
from typing import Any, Final

from switch.apps.demo import DEMO_EXPIRATION_DATE, DEMO_PAN, DemoTerminal, DemoWorld
from switch.demo.tour_terminal import TourTerminal
from switch.terminal.orders import SaleOrder
from switch.terminal.state import PosState

FindAddress = Callable[[str], tuple[str, int]]

# merchants that could be active again; a closed one has nobody left to act
_NOT_ACTIVE: Final = ("suspended", "frozen", "approved", "draft")


def make_order(amount_minor: int) -> SaleOrder:
    """Take this much from the demo's card."""
    return SaleOrder(amount_minor=amount_minor, pan=DEMO_PAN, expiration_date=DEMO_EXPIRATION_DATE)


def make_terminal(found: DemoTerminal, find_address: FindAddress) -> TourTerminal:
    """Take a terminal of the demo world out of its box."""
    state = PosState(
        profile=found.profile,
        terminal_id=found.terminal_id,
        merchant_id=found.merchant_id,
        batch=found.batch,
        mac_algorithm=found.mac_algorithm,
        mak=found.mak,
    )
    return TourTerminal(state, lambda: find_address(found.profile))


def find_inactive_terminal(world: DemoWorld) -> tuple[DemoTerminal, str]:
    """
    Find a terminal that is in order itself but whose merchant is not, and that merchant's status.

    Raises:
        LookupError: everybody in the demo world is active.
    """
    document: dict[str, list[dict[str, Any]]] = tomllib.loads(world.document.decode())
    merchants = {row["merchant_id"]: row["status"] for row in document["merchants"]}
    terminals = {
        (row["acquirer"], row["terminal_id"]): row["status"] for row in document["terminals"]
    }
    profile = world.terminals[0].profile
    for wanted in _NOT_ACTIVE:
        for terminal in world.terminals:
            is_in_order = terminals[terminal.acquirer, terminal.terminal_id] == "activated"
            is_wanted = merchants.get(terminal.merchant_id) == wanted
            if terminal.profile == profile and is_in_order and is_wanted:
                return terminal, wanted
    raise LookupError("every merchant of the demo world is active")
