import pytest
from msgspec.structs import replace

from switch.domain.money import Money
from switch.domain.payment.routing import Chosen, NoRoute, choose_route, make_terms, may_stand_in
from switch.domain.reasons import Reason
from switch.domain.registry.entities import Issuer, Route, StandIn
from switch.domain.transactions import TransactionType

BANK = Issuer(issuer_id="bank", name="Bank", bins=("62",))
FIRST = Route(route_id="r1", issuer_id="bank", link="first", priority=1)
SECOND = Route(route_id="r2", issuer_id="bank", link="second", priority=2)
BOTH = ("first", "second")


class View:
    """A registry of one issuer and its routes."""

    def __init__(self, issuer=BANK, routes=(FIRST, SECOND)):
        self._issuer, self._routes = issuer, routes

    def find_issuer(self, _bin):
        return self._issuer

    def routes_of(self, _issuer_id):
        return self._routes


def test_the_first_route_whose_line_is_up_is_taken(request_):
    assert choose_route(request_, View(), BOTH) == Chosen(BANK, FIRST)
    assert choose_route(request_, View(), ("second",)) == Chosen(BANK, SECOND)


def test_what_changes_a_payment_goes_over_that_ones_line_while_it_is_up(request_, routed):
    original = replace(routed, terms=replace(routed.terms, link="second"))
    assert choose_route(request_, View(), BOTH, original).route is SECOND
    assert choose_route(request_, View(), ("first",), original).route is FIRST


def test_an_issuer_whose_lines_are_all_down_is_still_named(request_):
    way = choose_route(request_, View(), ())
    assert isinstance(way, NoRoute)
    assert (way.reason, way.issuer, way.route) == (Reason.ISSUER_DOWN, BANK, FIRST)


def test_a_request_without_a_card_has_no_issuer(request_):
    way = choose_route(replace(request_, card=None), View(), BOTH)
    assert way == NoRoute(Reason.ISSUER_UNKNOWN, "no card")


def test_terms_are_those_of_the_moment_of_routing(merchant):
    terms = make_terms(merchant, BANK, FIRST)
    assert (terms.issuer_id, terms.link, terms.merchant_type) == ("bank", "first", "5411")
    assert (terms.fee_plan, terms.agent_id) == (merchant.fee_plan, "agent")


STANDING = replace(BANK, stand_in=StandIn(floor_limit_minor=100, bins=("6200",)))


def test_stand_in_is_off_unless_it_is_configured(request_):
    assert not may_stand_in(request_, BANK)
    assert may_stand_in(request_, STANDING)


@pytest.mark.parametrize(
    "change",
    [
        {"amount": Money(101, "156")},
        {"amount": None},
        {"card": None},
        *({"transaction": kind} for kind in TransactionType if kind is not TransactionType.SALE),
    ],
)
def test_the_switch_stands_in_for_small_sales_of_the_named_cards_only(request_, change):
    assert not may_stand_in(replace(request_, **change), STANDING)


def test_cards_that_are_not_named_are_not_stood_in_for(request_):
    other = replace(STANDING, stand_in=StandIn(floor_limit_minor=100, bins=("6243",)))
    assert not may_stand_in(request_, other)
    every = replace(STANDING, stand_in=StandIn(floor_limit_minor=100))
    assert may_stand_in(request_, every)
