"""Invariant 7: nothing is given back twice, or beyond what was taken, or taken beyond a hold."""

from collections.abc import Iterator

from tests.simulation.checkers.trails import Journal
from tests.simulation.checkers.violation import Violation

VOIDS = frozenset({"sale-void", "completion-void", "pre-authorization-void"})
COMPLETIONS = frozenset({"completion", "completion-advice"})
ADJUSTMENT, REFUND = "adjustment-advice", "refund"
COMPLETION_MAX_PERCENT = 115
STOPPING = frozenset({"reversal-not-found", "reversal-poisoned", "repeat-poisoned"})


class Known:
    """One payment as its valid records left it."""

    __slots__ = (
        "card",
        "is_approved",
        "is_live",
        "is_taken_back",
        "kind",
        "merchant",
        "minor",
        "original",
        "rrn",
        "touched_by",
    )

    def __init__(self, rrn: str, request: dict) -> None:
        self.rrn = rrn
        self.kind = request["transaction"]
        self.merchant = (request["acquirer"], request["merchant_id"])
        self.card = (request.get("card") or {"token": ""})["token"]
        self.minor = (request.get("amount") or {"minor": 0})["minor"]
        self.original: Known | None = None
        self.touched_by: list[Known] = []
        self.is_live = False  # routed or accepted, and neither refused nor given back
        self.is_approved = False
        self.is_taken_back = False

    def is_undone(self) -> bool:
        """Whether a void of it stands."""
        return any(t.kind in VOIDS and t.is_live and t.is_approved for t in self.touched_by)


class OriginalsAuditor:
    """Reads one partition in order and judges each request that touches another payment."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self.violations: list[Violation] = []

    def read(self, valid_records: list[dict]) -> None:
        for record in valid_records:
            for event in record["events"]:
                self._take(event)

    def _take(self, event: dict) -> None:
        tag, rrn = event["type"], event.get("rrn", "")
        if tag == "payment-requested.v1":
            self._known[rrn] = Known(rrn, event["request"])
            return
        known = self._known.get(rrn)
        if known is None:
            return
        if tag in {"payment-routed.v1", "advice-accepted.v1"}:
            self._route(known, event)
        if tag in {"payment-approved.v1", "advice-accepted.v1"}:
            if amount := event["answer"].get("amount"):
                known.minor = amount["minor"]
            known.is_approved = True
        elif tag in {"payment-declined.v1", "payment-reversed.v1"}:
            known.is_live = known.is_approved = False
        elif tag == "outcome-unknown.v1":
            known.is_approved = False
        elif tag == "return-ordered.v1" or (tag == "reversal-accepted.v1" and "upstream" in event):
            known.is_taken_back = True

    def _route(self, known: Known, event: dict) -> None:
        original = self._known.get(event.get("original_rrn", ""))
        if extra := event.get("sent_amount"):
            known.minor = extra["minor"]  # of an adjustment: what it adds
        if original is not None:
            fault = self._judge(known, original)
            if fault:
                shown = f"{known.kind} of {original.kind} {original.rrn}: {fault}"
                self.violations.append(Violation(7, "original-misused", shown, known.rrn))
            known.original = original
            original.touched_by.append(known)
        known.is_live = True

    def _judge(self, known: Known, original: Known) -> str:
        """Say what is wrong; empty if nothing is."""
        if known.merchant != original.merchant:
            return "another merchant's"
        if known.card != original.card:
            return "another card's"
        if not original.is_approved or original.is_taken_back:
            return "it does not stand"
        live = [one for one in original.touched_by if one.is_live]
        if known.kind in VOIDS:
            return self._judge_void(known, original, [one for one in live if not one.is_undone()])
        if known.kind in COMPLETIONS:
            if any(not one.is_undone() for one in live):
                return "it is held, voided or completed"
            is_over = known.minor * 100 > original.minor * COMPLETION_MAX_PERCENT
            return f"{known.minor} of {original.minor}" if is_over else ""
        if known.kind == REFUND:
            if any(one.kind not in {REFUND, ADJUSTMENT} for one in live):
                return "it is voided"
            refunded = sum(one.minor for one in live if one.kind == REFUND)
            debited = original.minor + sum(one.minor for one in live if one.kind == ADJUSTMENT)
            is_over = refunded + known.minor > debited
            return f"{refunded} + {known.minor} of {debited}" if is_over else ""
        return ""

    def _judge_void(self, known: Known, original: Known, live: list[Known]) -> str:
        if live:
            return f"{live[0].kind} {live[0].rrn} has it already"
        return "" if known.minor == original.minor else f"{known.minor} of {original.minor}"


def check_originals(journal: Journal) -> Iterator[Violation]:
    for records in journal.valid.values():
        auditor = OriginalsAuditor()
        auditor.read(records)
        yield from auditor.violations
