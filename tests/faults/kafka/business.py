"""
What must hold of everything that is not a plain sale: each rule looked at in the ledger alone, in
the journal alone, and in what terminals were told.
"""

from collections import Counter, defaultdict

from tests.faults.kafka.memory import MANAGEMENT
from tests.faults.kafka.story import CREDITS, DEBITS
from tests.faults.kafka.violation import Violation

APPROVED = "00"
MAC_REFUSED = "A0"
BOOKED = {"approved", "late", "silent"}
VOIDS = {"sale-void", "completion-void", "pre-authorization-void"}
COMPLETIONS = {"completion", "completion-advice"}
OVER_HOLD_PERCENT = 115
BALANCED = "1"
GRANTED = {
    "sign-on": "terminal-signed-on.v1",
    "sign-off": "terminal-signed-off.v1",
    "settlement": "batch-closed.v1",
    "upload": "batch-upload-taken.v1",
    "upload-end": "batch-upload-compared.v1",
}


def expect_effect(journal, story):
    """Return what a payment must have taken at the issuer (negative: given), and held."""
    if not story.stands:
        return 0, 0
    minor, kind = story.approved_minor, story.transaction
    if kind in DEBITS:
        return minor, -_find_hold(journal, story) if kind in COMPLETIONS else 0
    if kind in CREDITS:
        return -minor, _find_hold(journal, story) if kind == "completion-void" else 0
    return 0, {"pre-authorization": minor, "pre-authorization-void": -minor}.get(kind, 0)


def _find_hold(journal, story):
    """What the pre-authorization holds that a completion, or its void, is about."""
    original = journal.stories.get(story.original_rrn)
    if original is not None and original.transaction in COMPLETIONS:
        original = journal.stories.get(original.original_rrn)
    return original.approved_minor if original is not None else 0


# -- 7: nobody is given back more than was taken --------------------------------------------------


def find_overpaid_in_ledger(case):
    """Follow what is left of each piece of business, line by line: it is never below nothing."""
    parents, left, found = {}, Counter(), set()
    for index, line in enumerate(case.evidence.ledger):
        rrn = line.get("rrn", "")
        if line.get("original_rrn") and line["outcome"] in BOOKED:
            parents.setdefault(rrn, line["original_rrn"])
        root = _find_root(parents, rrn)
        left[root] += line.get("moved_minor", 0)
        if left[root] < 0 and root not in found:
            found.add(root)
            shown = f"{-left[root]} too much at ledger line {index + 1}: {line}"
            yield Violation(7, "given-back-more-than-taken", root, shown)


def find_overpaid_in_journal(case):
    """Add up what stands: returns against what they are returns of, voids by the piece."""
    stories = case.journal.stories
    parents = {rrn: s.original_rrn for rrn, s in stories.items() if s.original_rrn}
    left, voids = Counter(), defaultdict(list)
    for rrn, story in stories.items():
        if not story.stands:
            continue
        sign = (story.transaction in DEBITS) - (story.transaction in CREDITS)
        left[_find_root(parents, rrn)] += sign * story.approved_minor
        if story.transaction in VOIDS:
            voids[story.original_rrn].append(rrn)
    for root, minor in left.items():
        if minor < 0:
            yield Violation(7, "returned-more-than-paid", root, f"{-minor} too much")
    for rrn, found in voids.items():
        if len(found) > 1:
            yield Violation(7, "voided-twice", rrn, f"by {found}")


def _find_root(parents, rrn):
    for _ in range(len(parents)):
        if rrn not in parents:
            break
        rrn = parents[rrn]
    return rrn


# -- 7: a hold is used once, and for little more than itself --------------------------------------


def find_overused_holds_in_ledger(case):
    holds, completions = {}, {}
    for line in case.evidence.ledger:
        rrn = line.get("rrn", "")
        if line["op"] == "authorization" and line["outcome"] in BOOKED:
            holds.setdefault(rrn, line["amount_minor"])
        is_booked_debit = line["op"] == "debit" and line["outcome"] in BOOKED
        if is_booked_debit and line.get("original_rrn") in holds:
            completions[rrn] = line["original_rrn"]
    taken, given = defaultdict(dict), _sum_given(case.evidence.ledger)
    for rrn, hold in completions.items():
        if (left := case.moved[rrn] + given[rrn]) > 0:
            taken[hold][rrn] = left
    yield from _find_overused(holds, taken)


def _sum_given(ledger):
    """Add up, by what was voided, what voids moved: a voided completion leaves its hold open."""
    parents, given = {}, Counter()
    for line in ledger:
        rrn = line.get("rrn", "")
        if line["op"] == "void" and line["outcome"] in BOOKED and line.get("original_rrn"):
            parents.setdefault(rrn, line["original_rrn"])
        if rrn in parents:
            given[parents[rrn]] += line.get("moved_minor", 0)
    return given


def find_overused_holds_in_journal(case):
    stories = case.journal.stories
    voided = {s.original_rrn for s in stories.values() if s.stands and s.transaction in VOIDS}
    holds = {r: s.approved_minor for r, s in stories.items() if s.transaction not in COMPLETIONS}
    taken = defaultdict(dict)
    for rrn, story in stories.items():
        if story.transaction in COMPLETIONS and story.stands and rrn not in voided:
            taken[story.original_rrn][rrn] = story.approved_minor
    yield from _find_overused(holds, taken)


def _find_overused(holds, taken):
    for hold, completions in taken.items():
        if len(completions) > 1:
            yield Violation(7, "completed-twice", hold, f"by {completions}")
        held = holds.get(hold, 0)
        if max(completions.values()) * 100 > held * OVER_HOLD_PERCENT:
            yield Violation(7, "completed-above-hold", hold, f"{completions} of {held}")


# -- 3: an advice lands once ----------------------------------------------------------------------


def find_lost_advices(case):
    """What a terminal reported has landed at the issuer exactly once, or somebody looks at it."""
    for story in case.journal.stories.values():
        if not story.advised or story.money_cases or not story.stands or story.is_open:
            continue
        booked = [line for _, line in case.booked.get(story.rrn, ())]
        if len(booked) != 1:
            kind = "advice-landed-twice" if booked else "advice-not-landed"
            yield Violation(3, kind, story.rrn, f"{story.transaction}: {booked}")


# -- 7: batches -----------------------------------------------------------------------------------


def find_miscounted_batches(case):
    """Count each batch again from the records before its closing; and what its terminal heard."""
    by_rrn = {}
    for closing in case.journal.closings:
        by_rrn[closing.rrn] = closing
        about = f"{closing.till_batch} {closing.decision}"
        if closing.totals != closing.counted:
            shown = f"{closing.totals}, counted again {closing.counted}"
            yield Violation(7, "batch-counted-otherwise", about, shown)
        if closing.is_balanced != (closing.totals == closing.claimed):
            yield Violation(7, "batch-compared-otherwise", about, str(closing))
    for exchange in case.evidence.exchanges:
        if exchange.kind != "settlement" or exchange.code != APPROVED:
            continue
        closing = by_rrn.get(exchange.rrn)
        if closing is None or closing.till_batch != exchange.till_batch:
            continue  # what was granted to nobody is found below
        told = exchange.totals, exchange.balance_flag == BALANCED
        if told != (closing.totals, closing.is_balanced):
            yield Violation(7, "batch-told-otherwise", exchange.till_batch, f"{told}: {closing}")


def find_late_approvals(case):
    """Whatever was approved after its batch was closed is known for it."""
    for rrn, decision in case.journal.late.items():
        story = case.journal.stories[rrn]
        counts = story.transaction in DEBITS | CREDITS
        if counts and story.stands and rrn not in case.journal.told_late:
            yield Violation(7, "late-approval-unnoticed", rrn, str(decision))


# -- 2: what a terminal was granted, and how it proves itself -------------------------------------


def find_untrue_grants(case):
    for exchange in case.evidence.exchanges:
        if exchange.kind in MANAGEMENT and exchange.code == APPROVED:
            granted = GRANTED[exchange.kind], exchange.rrn
            # an upload that is on record already is answered without a number
            known = GRANTED[exchange.kind], exchange.till_batch
            is_repeat = not exchange.rrn and known in case.journal.uploads
            if granted not in case.journal.managed and not is_repeat:
                yield Violation(2, "grant-not-in-journal", exchange.key, str(exchange))
        if exchange.code == MAC_REFUSED:
            # the keys in use are the registry's or those of a sign-on that was answered
            yield Violation(2, "right-mac-refused", exchange.key, str(exchange))


LOOKS = (
    find_overpaid_in_ledger,
    find_overpaid_in_journal,
    find_overused_holds_in_ledger,
    find_overused_holds_in_journal,
    find_lost_advices,
    find_miscounted_batches,
    find_late_approvals,
    find_untrue_grants,
)
