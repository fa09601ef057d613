import pytest
from msgspec.structs import replace

from switch.domain.fees import FeePlan
from switch.domain.payment.checks import DayTotals
from switch.domain.payment.decide import decide_payment
from switch.domain.payment.events import (
    PaymentDeclined,
    PaymentRequested,
    PaymentRouted,
)
from switch.domain.payment.rules import DecisionRules
from switch.domain.reasons import Reason
from switch.domain.registry.entities import Issuer, Route

RULES = DecisionRules()
RRN = "010000000007"
AT = 1_700_000_000_000


class View:
    """A registry at one position, spelled out."""

    position = 1

    def __init__(self, facts, issuers=(), routes=()):
        self._facts, self._issuers, self._routes = facts, issuers, routes

    def find_terminal(self, _acquirer, _terminal_id):
        return self._facts.terminal

    def find_merchant(self, _merchant_id):
        return self._facts.merchant

    def agent_chain(self, _agent_id):
        return self._facts.agents

    def find_issuer(self, _pan_bin):
        return next(iter(self._issuers), None)

    def routes_of(self, _issuer_id):
        return self._routes


class Memory:
    """A partition that has seen nothing yet."""

    def day_totals(self, _merchant_id, _at):
        return DayTotals()

    def find_till(self, _request):
        return None

    def measure_batch(self, _request):
        return None

    def find_referred(self, _request):
        return None

    def find_closed_batch(self, _till, _batch):
        return None

    def find_alike(self, _request):
        return None

    def next_upstream_stan(self):
        return "000005"


BANK = Issuer(issuer_id="bank", name="Bank", bins=("62",))
ROUTES = (
    Route(route_id="r1", issuer_id="bank", link="first", priority=1),
    Route(route_id="r2", issuer_id="bank", link="second", priority=2),
)


def _decide(facts, *, issuers=(BANK,), routes=ROUTES, links_up=("first", "second")):
    fact = PaymentRequested(rrn=RRN, request=facts.request, at=AT, links_up=links_up)
    [event] = decide_payment(fact, Memory(), View(facts, issuers, routes), RULES)
    return event


def test_the_best_route_whose_link_is_up_is_taken(facts):
    assert _decide(facts).terms.link == "first"
    assert _decide(facts, links_up=("second",)).terms.link == "second"


def test_a_route_carries_what_later_steps_need(facts):
    event = _decide(facts)
    assert isinstance(event, PaymentRouted)
    assert event.terms.fee_plan == FeePlan(rate_ppm=6_000)
    assert (event.terms.merchant_type, event.terms.agent_id) == ("5411", "agent")
    assert (event.upstream_stan, event.transmission_time) == ("000005", "1114221320")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"issuers": ()}, Reason.ISSUER_UNKNOWN),
        ({"routes": ()}, Reason.NO_ROUTE),
        ({"links_up": ()}, Reason.ISSUER_DOWN),
        ({"issuers": (), "routes": (), "links_up": ()}, Reason.ISSUER_UNKNOWN),
        ({"routes": (), "links_up": ()}, Reason.NO_ROUTE),
    ],
)
def test_without_a_way_to_the_issuer_it_says_which_part_is_missing(facts, change, reason):
    event = _decide(facts, **change)
    assert isinstance(event, PaymentDeclined)
    assert event.answer.reason == reason.value


def test_a_business_refusal_outranks_a_missing_route(facts):
    event = _decide(replace(facts, merchant=None), issuers=())
    assert event.answer.reason == Reason.MERCHANT_NOT_FOUND.value
