"""
The decider of cases: pure, `decide_command(command, ...) -> decisions or a refusal`.

A case is opened by whoever decides about its payment; here is what time and operators add to it.
"""

import enum
from typing import Final, NamedTuple

from switch.domain.cases.commands import LOCAL_OPERATOR, CaseCommand, CommandKind
from switch.domain.cases.effects import Impossible, find_effect
from switch.domain.cases.events import (
    CaseAssigned,
    CaseClosed,
    CaseEvent,
    CaseNoted,
    CaseResolutionProposed,
    CaseResolved,
    Resolution,
)
from switch.domain.cases.state import NOT_SERVED, OUTCOME_OPEN, Case, CaseState, outcome_case_id
from switch.domain.payment.events import CaseOpened, PaymentEvent
from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.rules import DecisionRules

SETTLED: Final = "settled"
OTHER_CASE: Final = "other-case"  # the payment ended as a case of another kind


class Refusal(enum.Enum):
    """Why a command is not carried out; the value is the kind of the API's problem."""

    NOT_FOUND = "case-not-found"
    ALREADY_OPEN = "case-already-open"
    ENDED = "case-ended"
    SECOND_PERSON_NEEDED = "second-person-needed"
    NAMED_OPERATOR_NEEDED = "named-operator-needed"
    NOT_POSSIBLE = "resolution-not-possible"


class Refused(NamedTuple):
    """Nothing was changed, and why."""

    refusal: Refusal
    detail: str


Decisions = tuple[CaseEvent | PaymentEvent, ...]


def decide_command(
    command: CaseCommand,
    case: Case | None,
    payment: Payment | None,
    original: Payment | None,
    rules: DecisionRules,
) -> Decisions | Refused:
    """
    Carry an operator's command out, or say why not.

    `case` is the one that it names (or, to open a claim, the one that there is already), `payment`
    that one's payment and `original` the payment which that one changes.
    """
    if command.kind is CommandKind.OPEN:
        return _open_claim(command, case, payment)
    if case is None:
        return Refused(Refusal.NOT_FOUND, "No such case, or it ended long ago.")
    rrn, case_id = case.rrn, case.case_id
    if command.kind is CommandKind.NOTE:
        noted = CaseNoted(
            case_id=case_id,
            by=command.by,
            at=command.at,
            text=command.text,
            command_id=command.command_id,
            rrn=rrn,
        )
        return (noted,)
    if case.is_ended:
        return Refused(Refusal.ENDED, f"The case is {case.state.value}{_by_whom(case)}.")
    if command.kind is CommandKind.ASSIGN:
        assigned = CaseAssigned(
            case_id=case_id,
            by=command.by,
            at=command.at,
            owner=command.owner,
            command_id=command.command_id,
            text=command.text,
            rrn=rrn,
        )
        return (assigned,)
    return _resolve(command, case, payment, original, rules)


def _by_whom(case: Case) -> str:
    if case.resolution is None:
        return ""
    second = f" and {case.confirmed_by}" if case.confirmed_by else ""
    return f": {case.resolution.value}, by {case.resolved_by}{second}"


def _open_claim(
    command: CaseCommand, case: Case | None, payment: Payment | None
) -> Decisions | Refused:
    """Take the claim that a payment was debited and nothing was given for it."""
    if case is not None and not case.is_ended:
        return Refused(Refusal.ALREADY_OPEN, f"{case.case_id} is open; add a note to it.")
    asked = payment.request if payment else None
    case_id = f"{NOT_SERVED}-{command.rrn}"
    opened = CaseOpened(
        case_id=case_id,
        kind=NOT_SERVED,
        at=command.at,
        rrn=command.rrn,
        acquirer=asked.acquirer if asked else command.acquirer,
        merchant_id=asked.merchant_id if asked else command.merchant_id,
        terminal_id=asked.terminal_id if asked else command.terminal_id,
        amount=None if payment else command.amount,
    )
    noted = CaseNoted(
        case_id=case_id,
        by=command.by,
        at=command.at,
        text=command.text,
        command_id=command.command_id,
        rrn=command.rrn,
    )
    return (opened, noted)


def _resolve(
    command: CaseCommand,
    case: Case,
    payment: Payment | None,
    original: Payment | None,
    rules: DecisionRules,
) -> Decisions | Refused:
    """Settle a case; one of much money waits for a second person to want the same."""
    resolution = command.resolution
    assert resolution is not None, "a resolution that says nothing"
    effect = find_effect(resolution, case, payment, original, command.by, command.at, rules)
    if isinstance(effect, Impossible):
        return Refused(Refusal.NOT_POSSIBLE, effect.why)
    if not _needs_two(case, payment, rules):
        return (_write_resolved(command, case, resolution), *effect)
    if command.by == LOCAL_OPERATOR:
        return Refused(
            Refusal.NAMED_OPERATOR_NEEDED,
            "A case of this amount takes two named operators; the machine's token is nobody's. "
            "Each sends a key of their own (for `switch case`: in SWITCH_OPERATOR_KEY).",
        )
    proposal = case.proposal
    if proposal is None or proposal.resolution is not resolution:
        proposed = CaseResolutionProposed(
            case_id=case.case_id,
            by=command.by,
            at=command.at,
            resolution=resolution,
            text=command.text,
            command_id=command.command_id,
            rrn=case.rrn,
        )
        return (proposed,)
    if proposal.by == command.by:
        return Refused(
            Refusal.SECOND_PERSON_NEEDED,
            f"{proposal.by} has proposed this; another operator must confirm it.",
        )
    return (_write_resolved(command, case, resolution), *effect)


def _needs_two(case: Case, payment: Payment | None, rules: DecisionRules) -> bool:
    """Say whether one person is not enough, by what the case said or the payment now says."""
    stated = case.amount.minor if case.amount else 0
    approved = payment.approved_minor if payment else 0
    return max(stated, approved) > rules.cases.second_person_over_minor


def _write_resolved(command: CaseCommand, case: Case, resolution: Resolution) -> CaseResolved:
    first = case.proposal if case.state is CaseState.PROPOSED else None
    return CaseResolved(
        case_id=case.case_id,
        by=first.by if first else command.by,
        at=command.at,
        resolution=resolution,
        text=first.text if first else command.text,
        command_id=command.command_id,
        confirmed_by=command.by if first else "",
        confirmed_text=command.text if first else "",
        rrn=case.rrn,
    )


# -- what time does --------------------------------------------------------------------------------


def decide_overdue(payment: Payment, at: int) -> Decisions:
    """Let a person look at a payment that its issuer does not answer."""
    request, terms = payment.request, payment.terms
    issuer = terms.issuer_id if terms else "the issuer"
    if payment.phase is Phase.REVERSING:
        told = f"{issuer} was asked {payment.reversal_attempt_count} times to give it back"
    else:
        told = f"{issuer} was told {payment.repeat_attempt_count} times"
    opened = CaseOpened(
        case_id=outcome_case_id(payment.rrn),
        kind=OUTCOME_OPEN,
        at=at,
        rrn=payment.rrn,
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        detail=f"{told}, without a final answer; it is asked on",
    )
    return (opened,)


def decide_settled(case: Case, payment: Payment | None, at: int) -> Decisions:
    """Close the case of a payment whose issuer has answered after all."""
    is_case = payment is not None and payment.phase is Phase.CASE
    cause = OTHER_CASE if is_case else SETTLED
    return (CaseClosed(case_id=case.case_id, at=at, cause=cause, rrn=case.rrn),)
