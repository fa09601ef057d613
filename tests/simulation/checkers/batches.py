"""Invariant 7: batch totals, counted again from the raw journal, are what terminals are told."""

from collections.abc import Iterator

from tests.simulation.checkers.trails import Journal
from tests.simulation.checkers.violation import Violation

SIDES = {
    "sale": "debit",
    "instalment-sale": "debit",
    "completion": "debit",
    "completion-advice": "debit",
    "offline-advice": "debit",
    "adjustment-advice": "debit",
    "sale-void": "credit",
    "completion-void": "credit",
    "refund": "credit",
}
# events after which a payment counts no more, whatever it was before
ENDS = frozenset(
    {
        "outcome-unknown.v1",
        "payment-declined.v1",
        "payment-reversed.v1",
        "return-ordered.v1",
    }
)
STOPPING = frozenset(
    {
        "reversal-not-found",
        "reversal-poisoned",
        "repeat-poisoned",
        "advice-refused",
        "advice-unroutable",
    }
)
EMPTY = {"debit_minor": 0, "debit_count": 0, "credit_minor": 0, "credit_count": 0}


class Counted:
    """One payment as far as its batch is concerned."""

    __slots__ = ("batch", "counts", "minor", "side")

    def __init__(self, request: dict) -> None:
        till = (request["acquirer"], request["merchant_id"], request.get("terminal_id", ""))
        self.batch = (*till, request.get("batch", ""))
        self.side = SIDES.get(request["transaction"], "")
        self.minor = (request.get("amount") or {"minor": 0})["minor"]
        self.counts = False


class BatchAuditor:
    """Reads one partition and adds up as it goes."""

    def __init__(self) -> None:
        self._payments: dict[str, Counted] = {}
        self.totals: dict[tuple, dict[str, int]] = {}
        self.violations: list[Violation] = []

    def read(self, valid_records: list[dict]) -> None:
        for record in valid_records:
            for event in record["events"]:
                self._take(event)

    def _take(self, event: dict) -> None:
        tag = event["type"]
        if tag == "payment-requested.v1":
            self._payments[event["rrn"]] = Counted(event["request"])
        elif tag == "batch-closed.v1":
            self._compare(event)
        elif (payment := self._payments.get(event.get("rrn", ""))) is not None:
            self._change(payment, tag, event)

    def _change(self, payment: Counted, tag: str, event: dict) -> None:
        if tag in {"payment-approved.v1", "advice-accepted.v1"}:
            if amount := event["answer"].get("amount"):
                payment.minor = amount["minor"]
            self._count(payment, counts=True)
        elif (
            tag in ENDS
            or (tag == "reversal-accepted.v1" and event.get("upstream"))
            or (tag == "case-opened.v1" and event["kind"] in STOPPING)
        ):
            self._count(payment, counts=False)

    def _count(self, payment: Counted, *, counts: bool) -> None:
        if payment.counts is counts or not payment.side:
            return
        payment.counts = counts
        totals = self.totals.setdefault(payment.batch, dict(EMPTY))
        sign = 1 if counts else -1
        totals[f"{payment.side}_minor"] += sign * payment.minor
        totals[f"{payment.side}_count"] += sign

    def _compare(self, event: dict) -> None:
        till = (event["acquirer"], event["merchant_id"], event["terminal_id"])
        ours = self.totals.get((*till, event["batch"]), EMPTY)
        theirs = {**EMPTY, **event["totals"]}
        claimed = {**EMPTY, **event["claimed"]}
        shown = f"{till} batch {event['batch']}: counted {ours}"
        if ours != theirs:
            self.violations.append(Violation(7, "batch-totals-wrong", f"{shown}, told {theirs}"))
        if event["is_balanced"] is not (theirs == claimed):
            self.violations.append(Violation(7, "batch-flag-wrong", f"{shown}, claimed {claimed}"))


def check_batches(journal: Journal, simulation) -> Iterator[Violation]:
    auditor = BatchAuditor()
    for records in journal.valid.values():
        auditor.read(records)
    yield from auditor.violations
    yield from _check_told(simulation)


def _check_told(simulation) -> Iterator[Violation]:
    """A terminal that was told "balanced" counts what the switch counted, and the other way."""
    for terminal in simulation.terminals:
        for settlement in terminal.till.settlements:
            answer = settlement.answer
            told = (int(answer[:12]), int(answer[12:15]), int(answer[15:27]), int(answer[27:30]))
            is_balanced = answer[30] == "1"
            if is_balanced is not (told == tuple(settlement.claimed)):
                shown = f"{settlement.terminal} {settlement.batch}: claimed {settlement.claimed}"
                yield Violation(7, "settlement-told-wrong", f"{shown}, told {told} {answer[30]}")
