"""
The correctness audit: issuer's ledger x what each terminal was told x raw journal.

Own code throughout: it trusts nothing that the switch derives from its journal. Numbers are those
of the invariants as `docs/performance.md` lists them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from loadtest.ledger import IssuerAccount, LedgerLine, accounts_by_rrn
from loadtest.told import Told
from loadtest.trail import Journal, Place, Trail

# DE 39 that lets the merchant hand over the goods
APPROVALS: Final = frozenset({"00", "10", "11", "A2", "A4", "A5", "A6"})
CONFLICT: Final = "94"
_NOTHING: Final = IssuerAccount()


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
        *_check_trails(journal, accounts),
        *_check_told(journal, accounts, told),
    ]
    return AuditReport(
        journal_records=journal.record_count,
        journal_events=journal.event_count,
        void_records=journal.void_count,
        payments=sum(len(rrns) for rrns in journal.rrns_of.values()),
        approvals=sum(1 for trail in journal.trails.values() if trail.approved),
        ledger_lines=len(ledger),
        debits=sum(len(account.debits) for account in accounts.values()),
        standing_debits=sum(1 for account in accounts.values() if account.standing),
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
        if len(rrns) > 1:
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
    """Invariants 3 and 4: each debit has its cause before it and its end after it."""
    for rrn, account in accounts.items():
        trail = journal.trails.get(rrn) or Trail(rrn)
        if (given := account.standing_return) and not _is_accounted_for(trail):
            yield _of_trail(trail, 3, "return-unaccounted-for", _show(*given))
        if not account.debits:
            continue
        index, first = account.debits[0]
        shown = _show(index, first)
        if trail.routed is None or trail.routed.at > first.at:
            yield Violation(
                invariant=4,
                kind="debit-without-route",
                rrn=rrn,
                key=trail.key,
                evidence=(shown, _show_place("routed", trail.routed)),
            )
        if trail.routed and trail.amount_minor != first.amount_minor:
            yield Violation(
                invariant=3,
                kind="debit-of-another-amount",
                rrn=rrn,
                key=trail.key,
                evidence=(shown, f"asked for {trail.amount_minor}: {trail.requested}"),
            )
        standing = account.standing
        if standing and not _is_accounted_for(trail):
            yield Violation(
                invariant=3,
                kind="debit-unaccounted-for",
                rrn=rrn,
                key=trail.key,
                evidence=(
                    _show(*standing),
                    "approved in the journal" if trail.approved else "not approved in the journal",
                    _show_place("outcome unknown", trail.unknown),
                    _show_place("reversed", trail.reversed),
                    "no open case",
                ),
            )


def _is_accounted_for(trail: Trail) -> bool:
    return bool(trail.approved and not trail.reversed) or bool(trail.cases)


def _check_trails(journal: Journal, accounts: dict[str, IssuerAccount]) -> Iterator[Violation]:
    """Invariants 3, 7 and 8: what the journal says happened, did, and everything has an end."""
    for trail in journal.trails.values():
        account = accounts.get(trail.rrn, _NOTHING)
        if trail.approved and not account.was_booked:
            yield _of_trail(trail, 3, "approval-without-debit", "the issuer booked no debit")
        if account.reversals and not (trail.unknown or trail.returning):
            yield _of_trail(trail, 3, "reversal-without-intent", _show(*account.reversals[0]))
        if trail.is_outcome_missing:
            yield _of_trail(trail, 8, "outcome-missing", _show_place("routed", trail.routed))
        if trail.is_reversal_unfinished:
            intent = _show_place("intent", trail.unknown or trail.returning)
            yield _of_trail(trail, 8, "reversal-unfinished", intent)
        if trail.approved and trail.reversed:
            gross = sum(line["gross_minor"] for line in trail.lines)
            fee = sum(line["fee_minor"] for line in trail.lines)
            if gross or fee:
                shown = f"{len(trail.lines)} lines leave gross {gross} and fee {fee}"
                yield _of_trail(trail, 7, "reversal-not-mirrored", shown)


def _of_trail(trail: Trail, invariant: int, kind: str, evidence: str) -> Violation:
    return Violation(
        invariant=invariant,
        kind=kind,
        rrn=trail.rrn,
        key=trail.key,
        evidence=(evidence, _show_place("requested", trail.requested)),
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
    payments = [line for line in lines if line.kind in ("sale", "repeat") and line.response_code]
    # a switch may refuse without having decided (no rrn), and refuses repeats after a reversal
    answers = [
        line for line in payments if line.rrn and not (reversals and line.response_code == CONFLICT)
    ]
    if len({(line.response_code, line.rrn, line.authorization_id) for line in answers}) > 1:
        yield _of_told(answers, 5, "repeat-told-otherwise")
    standing = [rrn for rrn in journal.rrns_of.get(key, ()) if _stands(journal, accounts, rrn)]
    if standing and reversals:
        yield _of_told(reversals, 3, "reversal-left-a-debit", f"debit stands under rrn {standing}")
    if standing and payments and not any(line.response_code in APPROVALS for line in payments):
        yield _of_told(payments, 3, "declined-but-debited", f"debit stands under rrn {standing}")


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
    trail = journal.trails[rrn]
    return accounts.get(rrn, _NOTHING).standing is not None and not trail.cases


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
