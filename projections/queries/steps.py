"""What each event of a case file means, in words: who decided, who was told, what came back."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from switch.domain.declines import issuer_code
from switch.domain.money import Money
from switch.domain.payment.payment import RouteTerms, SettlementLine
from switch.domain.payment.requests import Answer
from switch.domain.terminal.requests import BatchTotals


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """
    One event of a case file.

    `rule` is what decided (a reason of the catalogue, a cause), with the registry as of
    `registry_position`. `told_terminal`, `told_issuer` and `issuer_said` are empty where the
    event told nobody. `gap_ms` is the time since the step before.
    """

    at_ms: int
    gap_ms: int
    partition: int
    journal_offset: int
    event_index: int
    epoch: int
    registry_position: int
    is_void: bool
    tag: str
    title: str
    rule: str = ""
    told_terminal: str = ""
    told_issuer: str = ""
    issuer_said: str = ""
    inbound_id: str = ""
    detail: msgspec.Raw = msgspec.Raw(b"{}")


class StoredEvent(Protocol):
    """A row of the audit's events."""

    @property
    def partition(self) -> int: ...  # noqa: D102 - the column of that name
    @property
    def journal_offset(self) -> int: ...  # noqa: D102
    @property
    def event_index(self) -> int: ...  # noqa: D102
    @property
    def at_ms(self) -> int: ...  # noqa: D102
    @property
    def tag(self) -> str: ...  # noqa: D102
    @property
    def epoch(self) -> int: ...  # noqa: D102
    @property
    def registry_position(self) -> int: ...  # noqa: D102
    @property
    def is_void(self) -> bool: ...  # noqa: D102
    @property
    def inbound_id(self) -> str: ...  # noqa: D102
    @property
    def detail(self) -> str: ...  # noqa: D102


class _Asked(msgspec.Struct, frozen=True):
    transaction: str = ""
    mti: str = ""
    channel: str = ""
    stan: str = ""
    terminal_id: str = ""
    merchant_id: str = ""
    reversal_reason: str = ""
    amount: Money | None = None
    operation: str = ""
    network_code: str = ""
    batch: str = ""


class _Detail(msgspec.Struct, frozen=True):
    """The fields that any event may have; what an event does not have stays empty."""

    request: _Asked = _Asked()
    answer: Answer | None = None
    terms: RouteTerms | None = None
    line: SettlementLine | None = None
    amount: Money | None = None
    upstream_stan: str = ""
    response_code: str = ""
    authorization_id: str = ""
    cause: str = ""
    fault: str = ""
    warning: str = ""
    kind: str = ""
    detail: str = ""
    owner: str = ""
    mti: str = ""
    attempt: int = 0
    upstream: bool = False
    original_rrn: str = ""
    sent_amount: Money | None = None
    by: str = ""
    case_id: str = ""
    text: str = ""
    resolution: str = ""
    confirmed_by: str = ""
    confirmed_text: str = ""
    batch: str = ""
    next_batch: str = ""
    settlement_date: str = ""
    key_version: int = 0
    totals: BatchTotals | None = None
    claimed: BatchTotals | None = None
    is_balanced: bool = False
    items: tuple[msgspec.Raw, ...] = ()
    item_count: int = 0
    uploaded_count: int = 0
    difference_count: int = 0
    running_count: int = 0


class Words(msgspec.Struct, frozen=True):
    """What a step says."""

    title: str
    rule: str = ""
    told_terminal: str = ""
    told_issuer: str = ""
    issuer_said: str = ""


_decode: Final = msgspec.json.Decoder(_Detail).decode


def describe_steps(events: Sequence[StoredEvent]) -> tuple[Step, ...]:
    """Describe events in the order of the journal."""
    steps = []
    before_ms = events[0].at_ms if events else 0
    for event in events:
        words = describe(event.tag, event.detail)
        steps.append(
            Step(
                at_ms=event.at_ms,
                gap_ms=event.at_ms - before_ms,
                partition=event.partition,
                journal_offset=event.journal_offset,
                event_index=event.event_index,
                epoch=event.epoch,
                registry_position=event.registry_position,
                is_void=event.is_void,
                tag=event.tag,
                title=words.title,
                rule=words.rule,
                told_terminal=words.told_terminal,
                told_issuer=words.told_issuer,
                issuer_said=words.issuer_said,
                inbound_id=event.inbound_id,
                detail=msgspec.Raw(event.detail.encode()),
            )
        )
        before_ms = event.at_ms
    return tuple(steps)


def describe(tag: str, detail: str) -> Words:
    """Say what one event means."""
    describer = _DESCRIBERS.get(tag)
    return Words(tag) if describer is None else describer(_decode(detail))


def _tell(answer: Answer | None) -> str:
    """Say what the terminal is told by an answer."""
    if answer is None:
        return ""
    parts = [answer.response_code, answer.reason or ("approved" if answer.is_approval else "")]
    if answer.authorization_id:
        parts.append(f"authorization {answer.authorization_id}")
    if answer.detail:
        parts.append(f"({answer.detail})")
    return " ".join(part for part in parts if part)


def _rule_of(answer: Answer | None) -> str:
    if answer is None:
        return ""
    return f"{answer.reason}: {answer.detail}" if answer.detail else answer.reason


def _say(code: str) -> str:
    return f"{code} {issuer_code(code).en}".strip()


def _asked(d: _Detail) -> Words:
    request = d.request
    amount = f" of {request.amount}" if request.amount else ""
    by = f"{request.channel} {request.mti}".strip()
    return Words(f"asked: {request.transaction}{amount} ({by}, STAN {request.stan or '-'})")


def _routed(d: _Detail) -> Words:
    terms = d.terms
    assert terms is not None
    rule = f"MCC {terms.merchant_type}, link {terms.link}"
    if d.original_rrn:
        rule += f", holds {d.original_rrn}"
    if d.warning:
        rule += f"; {d.warning}"
    return Words(
        f"routed to {terms.issuer_id}",
        rule=rule,
        told_issuer=f"request over {terms.link}, STAN {d.upstream_stan}",
    )


def _advice_accepted(d: _Detail) -> Words:
    """Say that nobody was asked, who will be told, and of how much."""
    if d.terms is None:
        return Words("accepted as reported; no issuer can be told", d.cause, _tell(d.answer))
    amount = f" of {d.sent_amount}" if d.sent_amount else ""
    told = f"advice{amount} over {d.terms.link} until it answers, STAN {d.upstream_stan}"
    rule = f"{d.cause}, changes {d.original_rrn}" if d.original_rrn else d.cause
    return Words("approved without the issuer", rule, _tell(d.answer), told)


def _issuer_answered(d: _Detail) -> Words:
    said = _say(d.response_code) + (f", {d.amount}" if d.amount else "")
    return Words(
        "issuer answered", rule=f"not trusted: {d.fault}" if d.fault else "", issuer_said=said
    )


def _approved(d: _Detail) -> Words:
    line = d.line
    settled = ""
    if line is not None:
        fee = Money(line.fee_minor, line.currency)
        settled = f"settles on {line.settlement_date}, fee {fee}"
    return Words("approved", rule=d.warning or settled, told_terminal=_tell(d.answer))


def _reversal_asked(d: _Detail) -> Words:
    request = d.request
    if not request.terminal_id:
        return Words(f"partner asks to reverse it ({request.channel})")
    reason = f", reason {request.reversal_reason}" if request.reversal_reason else ""
    return Words(f"terminal takes it back ({request.mti or '0400'}{reason})")


def _reversal_accepted(d: _Detail) -> Words:
    todo = "issuer must return it" if d.upstream else "nothing more to tell the issuer"
    rule = _rule_of(d.answer) or todo
    title = "reversal refused" if d.answer and d.answer.reason else "reversal answered"
    return Words(title, rule=rule, told_terminal=_tell(d.answer))


def _case_resolved(d: _Detail) -> Words:
    by = f"{d.by} and {d.confirmed_by}" if d.confirmed_by else d.by
    reasons = [text for text in (d.text, d.confirmed_text) if text]
    return Words(f"case resolved by {by}: {d.resolution}", "; ".join(reasons))


def _terminal_asked(d: _Detail) -> Words:
    request = d.request
    code = f" {request.network_code}" if request.network_code else ""
    batch = f" of batch {request.batch}" if request.batch else ""
    by = f"{request.channel} {request.mti}{code}".strip()
    return Words(
        f"terminal asks: {request.operation}{batch} ({by}, STAN {request.stan or '-'})", d.fault
    )


def _signed_on(d: _Detail) -> Words:
    keys = f"working keys {d.key_version}" if d.key_version else "no keys"
    return Words("terminal signed on", f"batch {d.batch}, {keys}", _tell(d.answer))


def _batch_closed(d: _Detail) -> Words:
    """Say what both sides counted, where they differ, and what comes after."""
    how = "balanced" if d.is_balanced else "unbalanced"
    rule = f"counted {_count(d.totals)}"
    if not d.is_balanced:
        rule += f"; the terminal counts {_count(d.claimed)}"
    if d.running_count:
        rule += f"; {d.running_count} still without an outcome"
    if d.next_batch:
        rule += f"; {d.next_batch} is open"
    return Words(f"batch {d.batch} closed: {how}", rule, _tell(d.answer))


def _count(totals: BatchTotals | None) -> str:
    """Write totals in minor units: an event of a batch names no currency."""
    t = totals or BatchTotals()
    return f"{t.debit_count} debits {t.debit_minor}, {t.credit_count} credits {t.credit_minor}"


def _upload_compared(d: _Detail) -> Words:
    rule = f"{d.uploaded_count} transactions came, the terminal says {d.item_count}"
    title = f"upload of batch {d.batch} compared: {d.difference_count} differences"
    return Words(title, rule, _tell(d.answer))


_DESCRIBERS: Final[dict[str, Callable[[_Detail], Words]]] = {
    "payment-requested.v1": _asked,
    "payment-routed.v1": _routed,
    "payment-declined.v1": lambda d: Words("declined", _rule_of(d.answer), _tell(d.answer)),
    "issuer-answered.v1": _issuer_answered,
    "issuer-timed-out.v1": lambda d: Words("no answer from the issuer", d.cause),
    "late-answer-received.v1": lambda d: Words(
        "late answer, changes nothing", issuer_said=_say(d.response_code)
    ),
    "payment-approved.v1": _approved,
    "outcome-unknown.v1": lambda d: Words("outcome unknown: reverse", d.cause, _tell(d.answer)),
    "advice-accepted.v1": _advice_accepted,
    "outcome-awaited.v1": lambda d: Words("outcome unknown: repeat", d.cause, _tell(d.answer)),
    "repeat-attempted.v1": lambda d: Words(
        f"sent until answered, attempt {d.attempt}", told_issuer=f"advice (attempt {d.attempt})"
    ),
    "advice-confirmed.v1": lambda _: Words("the issuer has taken the advice"),
    "return-ordered.v1": lambda d: Words(
        f"{d.by} takes the payment back", f"case {d.case_id}" if d.case_id else ""
    ),
    "reversal-requested.v1": _reversal_asked,
    "reversal-accepted.v1": _reversal_accepted,
    "tombstone-set.v1": lambda d: Words("original unknown: refused should it come", d.kind),
    "reversal-attempted.v1": lambda d: Words(
        f"reversal, attempt {d.attempt}", told_issuer=f"reversal (attempt {d.attempt})"
    ),
    "reversal-answered.v1": lambda d: Words(
        "issuer answered the reversal", issuer_said=_say(d.response_code)
    ),
    "payment-reversed.v1": lambda d: Words(
        "reversed: no debit stands", "settlement line mirrored" if d.line else ""
    ),
    "case-opened.v1": lambda d: Words(f"case opened: {d.kind}", d.detail),
    "case-noted.v1": lambda d: Words(f"note by {d.by}", d.text),
    "case-assigned.v1": lambda d: Words(f"{d.by} gives the case to {d.owner}", d.text),
    "case-resolution-proposed.v1": lambda d: Words(
        f"{d.by} proposes {d.resolution}; a second person must agree", d.text
    ),
    "case-resolved.v1": _case_resolved,
    "case-closed.v1": lambda d: Words("case closed by itself", d.cause),
    "duplicate-conflicted.v1": lambda d: Words(
        "same key, other content: refused", _rule_of(d.answer), _tell(d.answer)
    ),
    "request-refused.v1": lambda d: Words(
        f"refused before it was a payment ({d.mti})", _rule_of(d.answer), _tell(d.answer)
    ),
    "terminal-asked.v1": _terminal_asked,
    "terminal-signed-on.v1": _signed_on,
    "terminal-signed-off.v1": lambda d: Words("terminal signed off", "", _tell(d.answer)),
    "script-notice-taken.v1": lambda d: Words("script notice on record", "", _tell(d.answer)),
    "batch-closed.v1": _batch_closed,
    "batch-upload-taken.v1": lambda d: Words(
        f"upload of batch {d.batch}: {len(d.items)} transactions on record", "", _tell(d.answer)
    ),
    "batch-upload-compared.v1": _upload_compared,
    "batch-upload-overdue.v1": lambda d: Words(f"the upload of batch {d.batch} does not come"),
    "batch-changed-late.v1": lambda d: Words(f"approved after its batch {d.batch} was closed"),
    "batch-cut-off.v1": lambda d: Words(
        f"batch {d.batch} closed by the clock, for settlement only",
        f"{d.settlement_date}: {_count(d.totals)}",
    ),
    "partition-claimed.v1": lambda d: Words(f"partition claimed by {d.owner}"),
    "partition-released.v1": lambda d: Words(f"partition released by {d.owner}"),
    "position-noted.v1": lambda _: Words("position noted"),
    "inbound-parked.v1": lambda d: Words("set aside: deciding it raised", d.fault),
}
