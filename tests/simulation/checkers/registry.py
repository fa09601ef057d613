"""Invariant 6: nobody out of service starts a debit, by the version that a decision names."""

from collections.abc import Iterator

from tests.simulation.checkers.trails import Journal
from tests.simulation.checkers.violation import Violation

# a view may be a second old, what it looks at a poll older; a debit leaves within its window
STALE_MAX_MS = 1_000 + 100 + 500
ALWAYS_TAKEN = frozenset({"completion-advice", "offline-advice", "adjustment-advice"})


class Statuses:
    """Who was in service at which position of the registry log."""

    def __init__(self, entries) -> None:
        self.entries = entries
        self._changes: dict[tuple[str, str], list[tuple[int, bool]]] = {}
        self._merchant_agents: dict[str, str] = {}
        self._parents: dict[str, str] = {}
        for offset, entry in enumerate(entries):
            self._take(offset, entry.event)

    def _take(self, offset: int, event) -> None:
        if hasattr(event, "merchant"):
            merchant = event.merchant
            self._merchant_agents[merchant.merchant_id] = merchant.agent_id
            name, is_on = ("merchant", merchant.merchant_id), merchant.status.value == "activated"
        elif hasattr(event, "terminal"):
            terminal = event.terminal
            name = ("terminal", f"{terminal.acquirer}|{terminal.terminal_id}")
            is_on = terminal.status.value == "activated"
        elif hasattr(event, "agent"):
            agent = event.agent
            self._parents[agent.agent_id] = agent.parent_id
            name, is_on = ("agent", agent.agent_id), agent.status.value == "active"
        else:
            return
        self._changes.setdefault(name, []).append((offset, is_on))

    def is_on(self, kind: str, name: str, position: int) -> bool:
        state = False
        for offset, is_on in self._changes.get((kind, name), ()):
            if offset >= position:
                break
            state = is_on
        return state

    def find_inactive(self, request: dict, position: int) -> str:
        """Name the first that is not in service below a position; empty if all are."""
        merchant = request["merchant_id"]
        if not self.is_on("merchant", merchant, position):
            return merchant
        agent = self._merchant_agents[merchant]
        while agent:
            if not self.is_on("agent", agent, position):
                return agent
            agent = self._parents[agent]
        if terminal_id := request.get("terminal_id"):
            terminal = f"{request['acquirer']}|{terminal_id}"
            if not self.is_on("terminal", terminal, position):
                return terminal
        return ""


def check_registry(journal: Journal, entries, sent) -> Iterator[Violation]:
    statuses = Statuses(entries)
    for trail in journal.trails.values():
        if trail.routed is not None and trail.kind not in ALWAYS_TAKEN:
            position = trail.registry_position
            inactive = statuses.find_inactive(trail.request, position)
            if inactive:
                shown = f"{inactive} was out of service below registry position {position}"
                yield Violation(6, "debit-for-the-inactive", shown, trail.rrn, trail.key)
    for seen in sent:
        trail = journal.trails.get(seen.rrn)
        if trail is None or trail.routed is None or seen.mti[1:3] not in {"10", "20"}:
            continue
        position = trail.registry_position
        if position < len(entries):
            age_ms = seen.at_ms - entries[position].appended_ms
            if age_ms > STALE_MAX_MS:
                shown = f"sent without regard to a change that was {age_ms} ms old"
                yield Violation(6, "sent-on-an-old-view", shown, trail.rrn, trail.key)
