"""The operators' side of a partition: commands about cases, and what time makes a case."""

from collections.abc import Mapping
from typing import Final

import msgspec

from switch.domain.cases.commands import CaseCommand, CommandKind, read_command
from switch.domain.cases.decide import (
    Decisions,
    Refusal,
    Refused,
    decide_command,
    decide_overdue,
    decide_settled,
)
from switch.domain.cases.events import (
    CaseClosed,
    CaseNoted,
    CaseResolutionProposed,
    Resolution,
)
from switch.domain.cases.state import NOT_SERVED, OUTCOME_OPEN, Case
from switch.domain.clock import Now
from switch.domain.money import Money
from switch.domain.payment.events import CaseOpened
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.inbound import Reply, RequestReceived
from switch.eventlog.journal import JournalEvent, PositionNoted
from switch.handlers.book import PartitionBook
from switch.handlers.issuers_side import IssuersSide
from switch.handlers.recorder import Recorder
from switch.handlers.settings import PartitionSettings

OPERATOR_CHANNEL: Final = "operator"
LOOK_MS: Final = 1_000  # how late a case may be opened or closed by time
CHANGES_COUNT_MAX: Final = 100  # by one look: the end of an outage must not stop the payments
BUSY_LOOK_MS: Final = 20  # until the next look, if that was not enough

TAKEN: Final = 201
WAITING: Final = 202
UNPROCESSABLE: Final = 422
_STATUSES: Final = {
    Refusal.NOT_FOUND: 404,
    Refusal.NAMED_OPERATOR_NEEDED: 403,
}
_CONFLICT: Final = 409
_PROBLEM_PREFIX: Final = "urn:payment-switch:problem:"


class CaseAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A case as its partition knows it, told to whoever changed it.

    `effects` names the events that followed for its payment.
    """

    case_id: str
    kind: str
    state: str
    rrn: str = ""
    owner: str = ""
    resolution: str = ""
    proposed_by: str = ""
    resolved_by: str = ""
    confirmed_by: str = ""
    effects: tuple[str, ...] = ()


class CaseProblem(msgspec.Struct, frozen=True, kw_only=True):
    """An RFC 9457 problem: the command was not carried out."""

    type: str
    title: str
    status: int
    detail: str


_encode = msgspec.json.Encoder().encode
Decided = Decisions | Refused


def read_fields(fields: Mapping[str, str], at: int) -> CaseCommand:
    """Read a command from the fields of an inbound record; `at` is when it is decided."""
    resolution = fields.get("resolution", "")
    minor = fields.get("amount_minor", "")
    return CaseCommand(
        kind=CommandKind(fields["command"]),
        command_id=fields["command_id"],
        by=fields["by"],
        at=at,
        case_id=fields.get("case_id", ""),
        text=fields.get("text", ""),
        owner=fields.get("owner", ""),
        resolution=Resolution(resolution) if resolution else None,
        rrn=fields.get("rrn", ""),
        amount=Money(int(minor), fields["currency"]) if minor else None,
        acquirer=fields.get("acquirer", ""),
        merchant_id=fields.get("merchant_id", ""),
        terminal_id=fields.get("terminal_id", ""),
    )


def carry_out(command: CaseCommand, book: PartitionBook, rules: DecisionRules) -> Decided:
    """Decide a command over what the partition knows; nothing is changed by it."""
    case = book.cases.find(_case_id_of(command))
    rrn = command.rrn or (case.rrn if case else "")
    payment = book.find_payment(rrn) if rrn else None
    has_original = payment is not None and payment.original_rrn
    original = book.find_payment(payment.original_rrn) if payment and has_original else None
    return decide_command(command, case, payment, original, rules)


def decide_again(
    events: tuple[JournalEvent, ...], book: PartitionBook, rules: DecisionRules
) -> tuple[JournalEvent, ...] | None:
    """Decide a record about a case once more; None for records that are about none."""
    first = events[0]
    if isinstance(first, CaseClosed):
        case = book.cases.find(first.case_id)
        payment = book.find_payment(first.rrn)
        return decide_settled(case, payment, first.at) if case else ()
    if isinstance(first, CaseOpened) and first.kind == OUTCOME_OPEN:
        overdue = book.find_payment(first.rrn)
        return decide_overdue(overdue, first.at) if overdue else ()
    command = read_command(events)
    if command is None:
        return None
    decided = carry_out(command, book, rules)
    return () if isinstance(decided, Refused) else decided


class CasesSide:
    """Carries out what operators command, once; opens and closes the cases that time makes."""

    def __init__(
        self,
        settings: PartitionSettings,
        book: PartitionBook,
        recorder: Recorder,
        issuers: IssuersSide,
    ) -> None:
        self._rules = settings.rules
        self._book = book
        self._recorder = recorder
        self._issuers = issuers
        self._look_boot_ms = 0

    @property
    def open_count(self) -> int:
        """Cases that somebody must look at."""
        return len(self._book.cases)

    def next_wake_ms(self) -> int:
        """Say at which boot time `do_due` is wanted next."""
        return self._look_boot_ms

    # -- commands

    def take(self, offset: int, received: RequestReceived, now: Now) -> None:
        """Carry a command out and answer it; the same asked again changes nothing."""
        command = read_fields(received.fields, now.wall_ms)
        known = self._book.cases.find_command(command)
        if known is not None:
            self._recorder.say(self._answer_again(received, command, known))
            return
        decided = carry_out(command, self._book, self._rules)
        if isinstance(decided, Refused):
            status = _STATUSES.get(decided.refusal, _CONFLICT)
            problem = _make_problem(received, status, decided.refusal.value, decided.detail)
            # it is decided: a successor that reads it again must not decide otherwise
            noted = self._recorder.append((PositionNoted(at=now.wall_ms),), now, offset)
            noted.reply(problem)
            return
        effects = self._recorder.append(decided, now, offset)
        first, *others = decided
        is_waiting = isinstance(first, CaseResolutionProposed)
        told = tuple(_tag_of(one) for one in others if not isinstance(one, CaseNoted))
        status = WAITING if is_waiting else TAKEN
        effects.reply(self._tell(received, status, _case_id_of(command), told))
        case = self._book.cases.find(_case_id_of(command))
        if told and case is not None:
            self._issuers.forward(case.rrn, now)

    def _answer_again(
        self, received: RequestReceived, command: CaseCommand, known: CaseCommand
    ) -> Reply:
        if known.content != command.content:
            return _make_problem(
                received,
                UNPROCESSABLE,
                "idempotency-key-reused",
                "Another command was carried out under this key; a new one needs a new key.",
            )
        case_id = _case_id_of(known)
        case = self._book.cases.find(case_id)
        mine = case.proposal if case else None
        is_waiting = mine is not None and mine.by == command.by
        return self._tell(received, WAITING if is_waiting else TAKEN, case_id, ())

    def _tell(
        self, received: RequestReceived, status: int, case_id: str, effects: tuple[str, ...]
    ) -> Reply:
        case = self._book.cases.find(case_id)
        body = _describe(case, effects) if case else CaseAnswer(case_id=case_id, kind="", state="")
        return _make_reply(received, status, body)

    # -- time

    def begin(self, now: Now) -> None:
        """Look at once: a predecessor may have left something undone."""
        self._look_boot_ms = now.boot_ms

    def do_due(self, now: Now) -> None:
        """Open a case of every outcome that is awaited for too long; close those that have come."""
        if now.boot_ms < self._look_boot_ms:
            return
        cases, count = self._book.cases, 0
        for case in cases.list_settled(CHANGES_COUNT_MAX):
            payment = self._book.find_payment(case.rrn)
            self._recorder.append(decide_settled(case, payment, now.wall_ms), now)
            count += 1
        while count < CHANGES_COUNT_MAX and (rrn := cases.find_overdue(now.wall_ms)):
            payment = self._book.find_payment(rrn)
            assert payment is not None, "what is open is never forgotten"
            self._recorder.append(decide_overdue(payment, now.wall_ms), now)
            count += 1
        is_busy = count >= CHANGES_COUNT_MAX
        self._look_boot_ms = now.boot_ms + (BUSY_LOOK_MS if is_busy else LOOK_MS)


def _case_id_of(command: CaseCommand) -> str:
    return command.case_id or f"{NOT_SERVED}-{command.rrn}"


def _tag_of(event: JournalEvent) -> str:
    return str(type(event).__struct_config__.tag)


def _describe(case: Case, effects: tuple[str, ...]) -> CaseAnswer:
    return CaseAnswer(
        case_id=case.case_id,
        kind=case.kind,
        state=case.state.value,
        rrn=case.rrn,
        owner=case.owner,
        resolution=case.resolution.value if case.resolution else "",
        proposed_by=case.proposal.by if case.proposal else "",
        resolved_by=case.resolved_by,
        confirmed_by=case.confirmed_by,
        effects=effects,
    )


def _make_problem(received: RequestReceived, status: int, kind: str, detail: str) -> Reply:
    problem = CaseProblem(
        type=_PROBLEM_PREFIX + kind,
        title=kind.replace("-", " ").capitalize(),
        status=status,
        detail=detail,
    )
    return _make_reply(received, status, problem)


def _make_reply(received: RequestReceived, status: int, body: CaseAnswer | CaseProblem) -> Reply:
    return Reply(
        gateway=received.gateway,
        inbound_id=received.inbound_id,
        status=status,
        body=_encode(body),
    )
