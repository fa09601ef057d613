"""Which issuer a card belongs to, and over which link it is asked."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from switch.domain.money import Money
from switch.domain.payment.checks import RegistryView
from switch.domain.payment.payment import Payment, RouteTerms
from switch.domain.payment.requests import PaymentRequest
from switch.domain.reasons import Reason
from switch.domain.registry.entities import Issuer, Merchant, Route
from switch.domain.transactions import TransactionType


class RoutingView(RegistryView, Protocol):
    """What the decider reads of the registry beyond the checks."""

    def find_issuer(self, pan_bin: str) -> Issuer | None:
        """Return the issuer with the longest matching BIN."""
        ...

    def routes_of(self, issuer_id: str) -> Sequence[Route]:
        """Return the issuer's active routes, best first."""
        ...


class NoRoute(NamedTuple):
    """Why nobody can be asked now; `issuer` and `route` are there where only the line is down."""

    reason: Reason
    detail: str
    issuer: Issuer | None = None
    route: Route | None = None


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """The issuer of a card and the way to it."""

    issuer: Issuer
    route: Route


def choose_route(
    request: PaymentRequest,
    registry: RoutingView,
    links_up: Sequence[str],
    original: Payment | None = None,
) -> Chosen | NoRoute:
    """
    Choose the first route whose link is up; nothing was sent yet, so any link will do.

    What changes another payment goes over that one's link if that is up and still leads to the
    card's issuer: the accounts of a BIN that was moved are with its new one.
    """
    card = request.card
    issuer = registry.find_issuer(card.bin) if card else None
    if issuer is None:
        told = f"BIN {card.bin[:6]}" if card else "no card"
        return NoRoute(Reason.ISSUER_UNKNOWN, told)
    routes = registry.routes_of(issuer.issuer_id)
    if not routes:
        return NoRoute(Reason.NO_ROUTE, issuer.issuer_id)
    if original is not None and original.terms is not None:
        link = original.terms.link
        routes = sorted(routes, key=lambda route: route.link != link)
    for route in routes:
        if route.link in links_up:
            return Chosen(issuer, route)
    return NoRoute(Reason.ISSUER_DOWN, issuer.issuer_id, issuer, routes[0])


def make_terms(merchant: Merchant, issuer: Issuer, route: Route) -> RouteTerms:
    """Keep what later steps need of the registry as it was when the payment was routed."""
    assert merchant.fee_plan is not None, "the checks refuse an incomplete merchant"
    return RouteTerms(
        issuer_id=issuer.issuer_id,
        link=route.link,
        merchant_type=merchant.mcc,
        fee_plan=merchant.fee_plan,
        agent_id=merchant.agent_id,
    )


def may_stand_in(request: PaymentRequest, issuer: Issuer) -> bool:
    """Say whether a sale may be approved for an issuer that cannot be asked (off by default)."""
    stand_in, amount, card = issuer.stand_in, request.amount, request.card
    if stand_in is None or amount is None or card is None:
        return False
    if request.transaction is not TransactionType.SALE:
        return False
    return _is_small(amount, stand_in.floor_limit_minor) and (
        not stand_in.bins or card.bin.startswith(stand_in.bins)
    )


def _is_small(amount: Money, limit_minor: int) -> bool:
    return amount.minor <= limit_minor
