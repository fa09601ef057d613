"""Which status may follow which (docs/rules.md 9)."""

import enum
from collections.abc import Mapping
from typing import Final, TypeVar

from switch.domain.registry.entities import AgentStatus, MerchantStatus, TerminalStatus

_M = MerchantStatus
MERCHANT_TRANSITIONS: Final[Mapping[MerchantStatus, frozenset[MerchantStatus]]] = {
    _M.DRAFT: frozenset({_M.APPLIED, _M.CLOSED}),
    _M.APPLIED: frozenset({_M.UNDER_REVIEW, _M.CLOSED}),
    _M.UNDER_REVIEW: frozenset({_M.REJECTED, _M.APPROVED, _M.CLOSED}),
    _M.REJECTED: frozenset({_M.APPLIED, _M.CLOSED}),
    _M.APPROVED: frozenset({_M.ACTIVATED, _M.CLOSED}),
    _M.ACTIVATED: frozenset({_M.SUSPENDED, _M.FROZEN, _M.CLOSED}),
    _M.SUSPENDED: frozenset({_M.ACTIVATED, _M.FROZEN, _M.CLOSED}),
    _M.FROZEN: frozenset({_M.ACTIVATED, _M.SUSPENDED, _M.CLOSED}),
    _M.CLOSED: frozenset(),
}
_A = AgentStatus
AGENT_TRANSITIONS: Final[Mapping[AgentStatus, frozenset[AgentStatus]]] = {
    _A.APPLIED: frozenset({_A.ACTIVE, _A.TERMINATED}),
    _A.ACTIVE: frozenset({_A.SUSPENDED, _A.TERMINATED}),
    _A.SUSPENDED: frozenset({_A.ACTIVE, _A.TERMINATED}),
    _A.TERMINATED: frozenset(),
}
_T = TerminalStatus
TERMINAL_TRANSITIONS: Final[Mapping[TerminalStatus, frozenset[TerminalStatus]]] = {
    _T.IN_STOCK: frozenset({_T.ASSIGNED, _T.LOST, _T.SCRAPPED}),
    _T.ASSIGNED: frozenset({_T.BOUND, _T.LOST, _T.RETURNED}),
    _T.BOUND: frozenset({_T.KEYED, _T.LOST, _T.RETURNED}),
    _T.KEYED: frozenset({_T.ACTIVATED, _T.LOST, _T.RETURNED}),
    _T.ACTIVATED: frozenset({_T.DISABLED, _T.LOST, _T.RETURNED}),
    _T.DISABLED: frozenset({_T.ACTIVATED, _T.LOST, _T.RETURNED}),
    _T.LOST: frozenset({_T.RETURNED, _T.SCRAPPED}),
    _T.RETURNED: frozenset({_T.IN_STOCK, _T.SCRAPPED}),
    _T.SCRAPPED: frozenset(),
}
# where a terminal must name its merchant, and where it must not; a lost one may do either
STATUSES_WITH_MERCHANT: Final = frozenset({_T.BOUND, _T.KEYED, _T.ACTIVATED, _T.DISABLED})
STATUSES_WITHOUT_MERCHANT: Final = frozenset({_T.IN_STOCK, _T.ASSIGNED, _T.RETURNED, _T.SCRAPPED})

_S = TypeVar("_S", bound=enum.Enum)


def can_reach(transitions: Mapping[_S, frozenset[_S]], status: _S, goal: _S) -> bool:
    """
    Tell whether a status leads to another in any number of steps (none if they are the same).

    A loaded file states where things are, not each step; what no sequence of steps can reach
    (a closed merchant that trades again) is refused.
    """
    reached, frontier = {status}, [status]
    while frontier:
        for following in transitions[frontier.pop()]:
            if following not in reached:
                reached.add(following)
                frontier.append(following)
    return goal in reached


assert set(MERCHANT_TRANSITIONS) == set(MerchantStatus)
assert set(AGENT_TRANSITIONS) == set(AgentStatus)
assert set(TERMINAL_TRANSITIONS) == set(TerminalStatus)
