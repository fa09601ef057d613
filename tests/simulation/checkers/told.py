"""Invariants 2, 3, 5: what terminals were told is what the journal and the issuers know."""

from collections.abc import Iterator

from tests.simulation.checkers.accounts import Account
from tests.simulation.checkers.money import NO_EXCUSE, NOTHING
from tests.simulation.checkers.trails import Journal, Trail
from tests.simulation.checkers.violation import Violation
from tests.simulation.kinds import Silence
from tests.simulation.memory import REMEMBERED_MS, Belief, PaymentMemory, Told

APPROVED_CODES = frozenset({"00", "10", "11", "A2", "A4", "A5", "A6"})
CONFLICT, UNKNOWN = "94", "98"
FAILED = frozenset({Belief.DECLINED, Belief.REVERSED})  # after a 25 there is a case instead


def check_told(
    journal: Journal, accounts: dict[str, Account], payments: list[PaymentMemory]
) -> Iterator[Violation]:
    for payment in payments:
        rrns = journal.rrns_of.get(payment.key, ())
        trails = [journal.trails[rrn] for rrn in rrns]
        for told in payment.told:
            if told.message_class == "payment":
                yield from _check_answer(journal, payment, told)
        yield from _check_same(payment)
        yield from _check_belief(accounts, payment, trails)


def _show(told: Told) -> str:
    return (
        f"told {told.code} rrn {told.rrn or '-'} amount {told.amount_minor} at {told.at_ms}"
        f"{'' if told.is_heeded else ' (no longer waited for)'}"
    )


def _check_answer(journal: Journal, payment: PaymentMemory, told: Told) -> Iterator[Violation]:
    def violation(kind: str, evidence: str) -> Violation:
        return Violation(2, kind, f"{_show(told)}: {evidence}", told.rrn, payment.key)

    if told.code not in APPROVED_CODES:
        return
    if not told.is_proven:
        yield violation("approval-with-wrong-mac", "")
        return
    trail = journal.trails.get(told.rrn)
    if trail is None:
        yield violation("approval-not-in-journal", "no valid record opened it")
        return
    # of those that were durable then: an operator may approve once more what was accepted before
    ends = (trail.approved, trail.accepted, trail.awaited)
    end = next((end for end in ends if end and end[0] < told.ticket), None)
    if end is None:
        yield violation("approval-not-in-journal", "it was not approved when it was told")
        return
    answer = end[1]["answer"]
    if trail.key != payment.key:
        yield violation("approval-of-another-key", trail.key)
    if answer.get("authorization_id", "") != told.authorization_id.strip():
        yield violation("approval-with-other-content", f"{answer}")
    approved_minor = (answer.get("amount") or {"minor": trail.amount_minor})["minor"]
    if told.amount_minor not in {0, approved_minor}:
        yield violation("approval-of-other-amount", f"journal says {approved_minor}")


def _check_same(payment: PaymentMemory) -> Iterator[Violation]:
    """Same key, same content: the same answer each time, as far as it was decided at all."""
    if payment.kind.silence is Silence.END:
        return  # each answer to an inquiry is of its moment
    contents: dict[tuple[int, bool], bytes] = {}
    for told in payment.told:
        if told.message_class != "payment" or not told.rrn or told.code == CONFLICT:
            continue
        if payment.kind.name == "refund" and told.code == UNKNOWN:
            continue  # it is asked on, and a later repeat hears how it ended
        is_old = told.at_ms - payment.began_ms > REMEMBERED_MS  # what is forgotten is refused anew
        first = contents.setdefault((told.amount_minor, is_old), told.content)
        if first != told.content:
            yield Violation(5, "repeat-told-otherwise", _show(told), told.rrn, payment.key)
    approved = {t.amount_minor for t in payment.told if t.code in APPROVED_CODES and t.rrn}
    approved -= {0}
    if payment.altered_minor and len(approved) > 1:
        yield Violation(5, "conflict-approved", str(approved), key=payment.key)


def _check_belief(
    accounts: dict[str, Account], payment: PaymentMemory, trails: list[Trail]
) -> Iterator[Violation]:
    """What the terminal believes in the end is what became of the money, or a case."""
    standing = [t for t in trails if accounts.get(t.rrn, NOTHING).stands]
    excused = any(trail.cases.keys() - NO_EXCUSE for trail in trails)

    def violation(kind: str) -> Violation:
        shown = "; ".join(_show(told) for told in payment.told) or "told nothing"
        rrn = trails[0].rrn if trails else ""
        return Violation(3, kind, f"{payment.belief.value} {shown}", rrn, payment.key)

    belief = payment.belief
    if payment.kind.silence is Silence.END:
        return  # an inquiry moves nothing
    if belief is Belief.OPEN:
        yield Violation(8, "terminal-left-open", payment.kind.name, key=payment.key)
    elif belief is Belief.APPROVED and not standing and not excused:
        yield violation("approved-but-not-debited")
    elif belief is Belief.UNSENT and trails:
        yield violation("unsent-but-decided")
    elif belief in FAILED and standing and not excused and not payment.altered_minor:
        yield violation(f"{belief.value}-but-debited")
    if payment.course == "wrong-reversal" and belief is Belief.APPROVED:
        codes = {t.code for t in payment.told if t.message_class == "reversal"}
        if "00" in codes:
            yield violation("wrong-reversal-accepted")
