"""
The correctness audit: issuer's ledger x what each terminal was told x raw journal.

Own code throughout: it trusts nothing that the switch derives from its journal. Numbers are those
of the invariants as `docs/performance.md` lists them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from loadtest.expected import MOVING, RETURNING, TAKING, VOIDS, Effect, expect_effect
from loadtest.ledger import IssuerAccount, LedgerLine, accounts_by_rrn, find_overpaid
from loadtest.told import Told
from loadtest.trail import Journal, Place, Trail

# DE 39 that lets the merchant hand over the goods
APPROVALS: Final = frozenset({"00", "10", "11", "A2", "A4", "A5", "A6"})
CONFLICT: Final = "94"
UNKNOWN: Final = "98"
# the case of an advice that was taken from its terminal, but that no issuer can be told of
UNROUTABLE: Final = "advice-unroutable"
_NO_PAYMENTS: Final = frozenset({"reversal", "conflict"})
_NOTHING: Final = IssuerAccount()
_MONEY: Final = 3  # the invariant that is about where money is


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must never be: which invariant, about what, and what shows it."""

    invariant: int
    kind: str
    rrn: str
    key: str
    evidence: tuple[str, ...]


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at and what was found."""

    journal_records: int
    journal_events: int
    void_records: int
    payments: int
    approvals: int
    ledger_lines: int
    debits: int
    standing_debits: int
    told: int
    cases: int
    violations: tuple[Violation, ...]
    approvals_by_kind: dict[str, int] = {}

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.violations


def run_audit(journal: Journal, ledger: Sequence[LedgerLine], told: Sequence[Told]) -> AuditReport:
    """Compare the three witnesses once everything has settled."""
    accounts = accounts_by_rrn(ledger)
    found = [
        *_check_keys(journal, accounts),
        *_check_accounts(journal, accounts),
        *_check_trails(journal),
        *_check_overpaid(journal, ledger),
        *_check_told(journal, accounts, told),
    ]
    approved = Counter(t.transaction for t in journal.trails.values() if t.approved)
    return AuditReport(
        journal_records=journal.record_count,
        journal_events=journal.event_count,
        void_records=journal.void_count,
        payments=sum(len(rrns) for rrns in journal.rrns_of.values()),
        approvals=approved.total(),
        approvals_by_kind=dict(sorted(approved.items())),
        ledger_lines=len(ledger),
        debits=sum(len(account.debits) for account in accounts.values()),
        standing_debits=sum(1 for account in accounts.values() if account.money_minor > 0),
        told=len(told),
        cases=sum(len(trail.cases) for trail in journal.trails.values()),
        violations=tuple(found),
    )


def _show(index: int, line: LedgerLine) -> str:
    return (
        f"ledger line {index + 1}: {line.op} rrn {line.rrn} stan {line.stan}"
        f" amount {line.amount_minor} outcome {line.outcome} at {line.at}"
    )


def _show_told(line: Told) -> str:
    return (
        f"terminal {line.terminal_id} was told at {line.at}: {line.kind} stan {line.stan} amount"
        f" {line.amount_minor} -> {line.response_code or 'nothing'} rrn {line.rrn or '-'}"
    )


def _show_place(what: str, place: Place | None) -> str:
    return f"{what}: {place} at {place.at}" if place else f"{what}: not in the journal"


def _check_keys(journal: Journal, accounts: dict[str, IssuerAccount]) -> Iterator[Violation]:
    """Invariants 1 and 5: a key is decided once, and debited at most once."""
    for key, rrns in journal.rrns_of.items():
        if len(rrns) > 1 and not _is_inquiry(journal, rrns[0]):
            opened = [_show_place(f"opened as {r}", journal.trails[r].requested) for r in rrns]
            yield Violation(
                invariant=5,
                kind="key-decided-twice",
                rrn=rrns[0],
                key=key,
                evidence=tuple(opened),
            )
        debits = [debit for rrn in set(rrns) for debit in accounts.get(rrn, _NOTHING).debits]
        if len(debits) > 1:
            yield Violation(
                invariant=1,
                kind="debited-twice",
                rrn=rrns[0],
                key=key,
                evidence=tuple(_show(*debit) for debit in sorted(debits, key=lambda d: d[0])),
            )


def _check_accounts(journal: Journal, accounts: dict[str, IssuerAccount]) -> Iterator[Violation]:
    """Invariants 3 and 4: what the issuer did has its cause, and comes to what it must."""
    for rrn in dict.fromkeys((*accounts, *journal.trails)):
        trail = journal.trails.get(rrn) or Trail(rrn)
        account = accounts.get(rrn, _NOTHING)
        found = list(_check_causes(trail, account))
        yield from found
        is_told_apart = any(violation.invariant == _MONEY for violation in found)
        is_open = trail.is_unsettled or bool(trail.cases)
        if not (is_told_apart or is_open or _is_done_twice(account)):
            yield from _check_effect(journal, trail, account)


def _is_done_twice(account: IssuerAccount) -> bool:
    return len(account.booked) > 1


def _check_causes(trail: Trail, account: IssuerAccount) -> Iterator[Violation]:
    if account.reversals and not (trail.unknown or trail.returning):
        yield _of_trail(trail, _MONEY, "reversal-without-intent", _show(*account.reversals[0]))
    if _is_done_twice(account) and len(account.debits) <= 1:
        shown = (_show(*each) for each in account.booked)
        yield _of_trail(trail, 1, "carried-out-twice", *shown)
    is_carried_out = trail.advised or account.booked or UNROUTABLE in trail.cases
    if trail.approved and not is_carried_out and trail.transaction in MOVING:
        yield _of_trail(trail, _MONEY, _name_missing(trail), "the issuer did nothing of it")
    if not account.asked:
        return
    index, first = account.asked[0]
    shown_first = _show(index, first)
    if trail.routed is None or trail.routed.at > first.at:
        yield Violation(
            invariant=4,
            kind=f"{first.op}-without-route",
            rrn=trail.rrn,
            key=trail.key,
            evidence=(shown_first, _show_place("routed", trail.routed)),
        )
    if trail.routed and trail.sent_minor != first.amount_minor:
        yield Violation(
            invariant=_MONEY,
            kind=f"{first.op}-of-another-amount",
            rrn=trail.rrn,
            key=trail.key,
            evidence=(shown_first, f"asked for {trail.sent_minor}: {trail.requested}"),
        )


def _check_effect(journal: Journal, trail: Trail, account: IssuerAccount) -> Iterator[Violation]:
    expected = expect_effect(journal, trail)
    actual = Effect(account.money_minor, account.held_minor)
    if actual == expected:
        return
    yield Violation(
        invariant=_MONEY,
        kind=_name_difference(trail, expected, actual),
        rrn=trail.rrn,
        key=trail.key,
        evidence=(
            *(_show(*each) for each in (*account.asked, *account.reversals)),
            f"at the issuer: {actual.money_minor} taken, {actual.held_minor} more held",
            f"in the journal: {expected.money_minor} and {expected.held_minor}",
            f"{trail.transaction}, {'approved' if trail.approved else 'not approved'}",
            _show_place("outcome unknown", trail.unknown),
            _show_place("reversed", trail.reversed),
            "no open case",
        ),
    )


def _name_difference(trail: Trail, expected: Effect, actual: Effect) -> str:
    """Say what is wrong in one word: what somebody has that nobody else knows of."""
    if not any(actual):
        return _name_missing(trail)
    if any(expected):
        return "issuer-holds-otherwise"
    if not actual.money_minor:
        return "hold-unaccounted-for"
    return "debit-unaccounted-for" if actual.money_minor > 0 else "return-unaccounted-for"


def _name_missing(trail: Trail) -> str:
    if trail.transaction in TAKING:
        return "approval-without-debit"
    return f"approval-without-{'return' if trail.transaction in RETURNING else 'hold'}"


def _check_trails(journal: Journal) -> Iterator[Violation]:
    """Invariants 7 and 8: everything has an end, and settles for what it came to."""
    for trail in journal.trails.values():
        if trail.is_outcome_missing:
            yield _of_trail(trail, 8, "outcome-missing", _show_place("routed", trail.routed))
        if trail.is_reversal_unfinished:
            intent = _show_place("intent", trail.unknown or trail.returning)
            yield _of_trail(trail, 8, "reversal-unfinished", intent)
        if trail.is_telling_unfinished:
            since = _show_place("since", trail.awaited or trail.advised)
            yield _of_trail(trail, 8, "issuer-not-told", since)
        yield from _check_lines(journal, trail)


def _check_lines(journal: Journal, trail: Trail) -> Iterator[Violation]:
    """Compare settlement lines with what was approved, and mirrors with what they mirror."""
    gross = sum(line["gross_minor"] for line in trail.lines)
    fee = sum(line["fee_minor"] for line in trail.lines)
    shown = f"{len(trail.lines)} lines leave gross {gross} and fee {fee}"
    if trail.reversed:
        if trail.approved and (gross or fee):
            yield _of_trail(trail, 7, "reversal-not-mirrored", shown)
        return
    if trail.cases:
        return
    if gross != _sign_of(trail) * trail.approved_minor:
        yield _of_trail(trail, 7, "settled-otherwise", shown)
    elif trail.stands and trail.transaction in VOIDS:
        original = journal.trails.get(trail.original_rrn)
        lines = original.lines if original is not None else []
        both = [*trail.lines, *lines]
        if sum(line["fee_minor"] for line in both) or sum(line["gross_minor"] for line in both):
            yield _of_trail(trail, 7, "void-not-mirrored", f"{shown}, its original has {lines}")


def _sign_of(trail: Trail) -> int:
    """Say which way a transaction settles, if it is approved and does."""
    if not trail.stands:
        return 0
    return (trail.transaction in TAKING) - (trail.transaction in RETURNING)


def _check_overpaid(journal: Journal, ledger: Sequence[LedgerLine]) -> Iterator[Violation]:
    """Invariant 3: nobody is given back more than was taken."""
    for rrn, minor in find_overpaid(ledger).items():
        trail = journal.trails.get(rrn) or Trail(rrn)
        yield _of_trail(trail, _MONEY, "given-back-more-than-taken", f"{-minor} too much")


def _of_trail(trail: Trail, invariant: int, kind: str, *evidence: str) -> Violation:
    return Violation(
        invariant=invariant,
        kind=kind,
        rrn=trail.rrn,
        key=trail.key,
        evidence=(*evidence, _show_place("requested", trail.requested)),
    )


def _check_told(
    journal: Journal, accounts: dict[str, IssuerAccount], told: Iterable[Told]
) -> Iterator[Violation]:
    """Invariants 2 and 5: what the terminals remember is what the journal and the issuer know."""
    by_key: dict[str, list[Told]] = defaultdict(list)
    for line in told:
        by_key[line.payment_key].append(line)
    for key, lines in by_key.items():
        yield from _check_one_key(journal, accounts, key, lines)


def _check_one_key(
    journal: Journal, accounts: dict[str, IssuerAccount], key: str, lines: list[Told]
) -> Iterator[Violation]:
    for line in lines:
        yield from _check_line(journal, line)
    reversals = [line for line in lines if line.kind == "reversal" and line.response_code == "00"]
    payments = [line for line in lines if line.kind not in _NO_PAYMENTS and line.response_code]
    # a switch may refuse without having decided (no rrn), and refuses repeats after a reversal
    answers = [
        line
        for line in payments
        if line.rrn
        and not (reversals and line.response_code == CONFLICT)
        and not _is_patience(journal, line)
        and not _is_inquiry(journal, line.rrn)
    ]
    if len({(line.response_code, line.rrn, line.authorization_id) for line in answers}) > 1:
        yield _of_told(answers, 5, "repeat-told-otherwise")
    standing = [rrn for rrn in journal.rrns_of.get(key, ()) if _stands(journal, accounts, rrn)]
    if standing and reversals:
        yield _of_told(reversals, 3, "reversal-left-a-debit", f"it stands under rrn {standing}")
    if standing and answers and not any(line.response_code in APPROVALS for line in answers):
        yield _of_told(answers, 3, "declined-but-debited", f"it stands under rrn {standing}")


def _is_inquiry(journal: Journal, rrn: str) -> bool:
    """Whether this asked what an account holds: a repeat of that is asked anew."""
    trail = journal.trails.get(rrn)
    return trail is not None and trail.transaction == "balance-inquiry"


def _is_patience(journal: Journal, line: Told) -> bool:
    """Whether this says no more than that a refund is being repeated until it is answered."""
    trail = journal.trails.get(line.rrn)
    return line.response_code == UNKNOWN and trail is not None and trail.awaited is not None


def _check_line(journal: Journal, line: Told) -> Iterator[Violation]:
    if line.mac_valid is False:
        yield _of_told([line], 5, "answer-with-wrong-mac")
    if line.response_code not in APPROVALS:
        return
    if line.kind == "conflict":
        yield _of_told([line], 5, "conflict-approved")
    elif line.kind != "reversal" and (found := _differences(journal.trails.get(line.rrn), line)):
        yield _of_told([line], 2, "approval-not-in-journal", *found)


def _of_told(lines: Sequence[Told], invariant: int, kind: str, *evidence: str) -> Violation:
    return Violation(
        invariant=invariant,
        kind=kind,
        rrn=lines[0].rrn,
        key=lines[0].payment_key,
        evidence=(*map(_show_told, lines), *evidence),
    )


def _stands(journal: Journal, accounts: dict[str, IssuerAccount], rrn: str) -> bool:
    return accounts.get(rrn, _NOTHING).stands and not journal.trails[rrn].cases


def _differences(trail: Trail | None, line: Told) -> list[str]:
    """Say where an approval that a terminal was told differs from the journal's."""
    if trail is None or trail.approved is None:
        return ["no valid approval of this rrn in the journal"]
    pairs = {
        "key": (trail.key, line.payment_key),
        "amount": (trail.amount_minor, line.amount_minor),
        "response code": (trail.approved["response_code"], line.response_code),
        "authorization id": (trail.approved.get("authorization_id", ""), line.authorization_id),
    }
    return [f"{name}: journal {a}, told {b}" for name, (a, b) in pairs.items() if a != b]
