import pytest

from switch.domain.registry.entities import AgentStatus, MerchantStatus, TerminalStatus
from switch.domain.registry.lifecycles import (
    AGENT_TRANSITIONS,
    MERCHANT_TRANSITIONS,
    STATUSES_WITH_MERCHANT,
    STATUSES_WITHOUT_MERCHANT,
    TERMINAL_TRANSITIONS,
    can_reach,
)

M, A, T = MerchantStatus, AgentStatus, TerminalStatus


@pytest.mark.parametrize(
    ("status", "goal", "reachable"),
    [
        (M.DRAFT, M.ACTIVATED, True),
        (M.REJECTED, M.ACTIVATED, True),
        (M.SUSPENDED, M.ACTIVATED, True),
        (M.FROZEN, M.SUSPENDED, True),
        (M.ACTIVATED, M.DRAFT, False),
        (M.ACTIVATED, M.APPROVED, False),
        (M.FROZEN, M.CLOSED, True),
    ],
)
def test_merchants_go_forward_only(status: M, goal: M, reachable: bool) -> None:  # noqa: FBT001
    assert can_reach(MERCHANT_TRANSITIONS, status, goal) is reachable


@pytest.mark.parametrize("goal", M)
def test_a_closed_merchant_stays_closed(goal: M) -> None:
    assert can_reach(MERCHANT_TRANSITIONS, M.CLOSED, goal) is (goal is M.CLOSED)


@pytest.mark.parametrize("status", M)
def test_every_merchant_can_be_closed_and_may_stay_what_it_is(status: M) -> None:
    assert can_reach(MERCHANT_TRANSITIONS, status, M.CLOSED)
    assert can_reach(MERCHANT_TRANSITIONS, status, status)


@pytest.mark.parametrize("goal", A)
def test_a_terminated_agent_stays_terminated(goal: A) -> None:
    assert can_reach(AGENT_TRANSITIONS, A.TERMINATED, goal) is (goal is A.TERMINATED)
    assert can_reach(AGENT_TRANSITIONS, A.SUSPENDED, A.ACTIVE)


@pytest.mark.parametrize("status", [status for status in T if status is not T.SCRAPPED])
def test_every_terminal_but_a_scrapped_one_can_serve_again(status: T) -> None:
    assert can_reach(TERMINAL_TRANSITIONS, status, T.ACTIVATED)
    assert not can_reach(TERMINAL_TRANSITIONS, T.SCRAPPED, status)


def test_a_terminal_has_a_merchant_or_has_none_by_status_except_when_lost() -> None:
    assert set(T) - STATUSES_WITH_MERCHANT - STATUSES_WITHOUT_MERCHANT == {T.LOST}
    assert not STATUSES_WITH_MERCHANT & STATUSES_WITHOUT_MERCHANT
