"""What the cases are, asked of the audit projection and told in the words of their kinds."""

import datetime as dt
from typing import Final

from projections.audit.payments import PaymentRow
from projections.queries.case_file import load_standing
from projections.queries.cases import (
    CaseLine,
    CaseListed,
    CaseShown,
    CaseWanted,
    find_case,
    find_partition,
    list_case_lines,
    list_cases,
    load_case,
)
from projections.queries.steps import Step
from switch.adapters.clock import read_clock
from switch.adapters.http_cases import (
    CaseDetail,
    CaseLineResource,
    CaseList,
    CaseQuery,
    CaseResource,
    ClaimedPayment,
    StepResource,
)
from switch.apps.payment_status import AuditStatus
from switch.domain.cases.kinds import kind_of

_SAME: Final = (  # what a case's resource takes over as it is
    "case_id",
    "partition",
    "kind",
    "state",
    "owner",
    "rrn",
    "acquirer",
    "merchant_id",
    "terminal_id",
    "amount_minor",
    "currency",
    "link",
    "incident",
    "detail",
    "proposed_by",
    "resolution",
    "reason",
    "resolved_by",
    "confirmed_by",
    "note_count",
    "opening_count",
)
_OF_PAYMENT: Final = (
    "rrn",
    "kind",
    "state",
    "money_state",
    "amount_minor",
    "currency",
    "response_code",
    "reason",
    "authorization_id",
    "masked_pan",
    "merchant_id",
    "terminal_id",
    "batch",
    "stan",
    "issuer_id",
    "link",
    "original_rrn",
    "settlement_date",
    "reversal_attempts",
    "repeat_attempts",
)


class AuditCases:
    """Reads cases; each method raises Unavailable while the database cannot be asked."""

    def __init__(self, audit: AuditStatus) -> None:
        self._audit = audit

    async def list_cases(self, query: CaseQuery, *, by_incident: bool) -> CaseList:
        """List cases, or one line for each incident."""
        wanted = CaseWanted(
            state=query.state,
            kind=query.kind,
            owner=query.owner,
            rrn=query.rrn,
            merchant_id=query.merchant_id,
            incident=query.incident,
            limit=query.limit + 1,
        )
        now_ms = read_clock().wall_ms
        async with self._audit.connection() as connection:
            if by_incident:
                lines = await list_case_lines(connection, wanted, now_ms)
                return CaseList(
                    lines=tuple(map(_write_line, lines[: query.limit])),
                    is_cut=len(lines) > query.limit,
                )
            cases = await list_cases(connection, wanted, now_ms)
        return CaseList(
            cases=tuple(map(_write_case, cases[: query.limit])), is_cut=len(cases) > query.limit
        )

    async def find_partition(self, case_id: str) -> int | None:
        """Say where a case is decided."""
        async with self._audit.connection() as connection:
            return await find_partition(connection, case_id)

    async def show_case(self, case_id: str) -> CaseDetail | None:
        """Collect all that is known about one case."""
        async with self._audit.connection() as connection:
            found = await find_case(connection, case_id, read_clock().wall_ms)
            if found is None:
                return None
            return _write_detail(await load_case(connection, found))

    async def find_claimed(self, rrn: str) -> ClaimedPayment | None:
        """Find a payment about which a claim is to be opened."""
        async with self._audit.connection() as connection:
            standing = await load_standing(connection, rrn)
        if standing is None:
            return None
        row = standing.payment
        return ClaimedPayment(
            partition=row.partition,
            acquirer=row.acquirer,
            merchant_id=row.merchant_id,
            terminal_id=row.terminal_id,
            amount_minor=row.amount_minor,
            currency=row.currency,
        )


def _write_case(case: CaseListed) -> CaseResource:
    kind = kind_of(case.kind)
    return CaseResource(
        title_en=kind.title_en,
        title_zh=kind.title_zh,
        team=kind.team,
        opened_at=_write_time(case.opened_at_ms),
        updated_at=_write_time(case.updated_at_ms),
        ended_at=_write_time(case.ended_at_ms),
        since=_write_time(case.since_ms),
        **{name: getattr(case, name) for name in _SAME},
    )


def _write_line(line: CaseLine) -> CaseLineResource:
    kind = kind_of(line.kind)
    return CaseLineResource(
        line=line.line,
        is_incident=line.is_incident,
        kind=line.kind,
        title_en=kind.title_en,
        title_zh=kind.title_zh,
        team=kind.team,
        count=line.count,
        amount_minor=line.amount_minor,
        currency=line.currency,
        first_at=_write_time(line.first_at_ms),
        last_at=_write_time(line.last_at_ms),
        merchant_id=line.merchant_id,
        state=line.state,
        owner=line.owner,
    )


def _write_detail(shown: CaseShown) -> CaseDetail:
    kind, standing = kind_of(shown.case.kind), shown.standing
    return CaseDetail(
        case=_write_case(shown.case),
        text_en=kind.text_en,
        text_zh=kind.text_zh,
        next_en=kind.next_en,
        next_zh=kind.next_zh,
        evidence_en=kind.evidence_en,
        evidence_zh=kind.evidence_zh,
        history=tuple(map(_write_step, shown.history)),
        verdict=shown.verdict.line if standing else "",
        money_state=shown.verdict.money_state if standing else "",
        payment=_write_payment(standing.payment) if standing else {},
        changed_by=tuple(map(_write_payment, standing.changed_by)) if standing else (),
        steps=tuple(map(_write_step, shown.steps)),
    )


def _write_payment(row: PaymentRow) -> dict[str, str | int | bool]:
    return {name: value for name in _OF_PAYMENT if (value := getattr(row, name))}


def _write_step(step: Step) -> StepResource:
    return StepResource(
        at=_write_time(step.at_ms),
        place=f"{step.partition}/{step.journal_offset}.{step.event_index}",
        title=f"VOID {step.title}" if step.is_void else step.title,
        rule=step.rule,
        told_terminal=step.told_terminal,
        told_issuer=step.told_issuer,
        issuer_said=step.issuer_said,
    )


def _write_time(at_ms: int) -> str:
    """Write a time in UTC, empty for none."""
    if not at_ms:
        return ""
    at = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"
