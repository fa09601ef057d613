"""
The decider of what a terminal asks about itself: pure, `decide(fact, ...) -> decisions`.

As for payments: a recorded fact, decided again over the same state and registry, must give the
recorded decisions. Whatever needs randomness or keys comes with the fact.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from switch.domain.payment.checks import RegistryView
from switch.domain.payment.events import CaseOpened, RequestRefused
from switch.domain.payment.outcomes import make_decline
from switch.domain.payment.requests import Answer
from switch.domain.payment.rules import DecisionRules, settlement_day
from switch.domain.reasons import Reason
from switch.domain.registry.entities import Terminal, TerminalStatus
from switch.domain.terminal.batches import as_written, following_batch
from switch.domain.terminal.events import (
    BatchClosed,
    ScriptNoticeTaken,
    TerminalAsked,
    TerminalSignedOff,
    TerminalSignedOn,
    UploadCompared,
    UploadTaken,
)
from switch.domain.terminal.requests import BatchTotals, Operation, TerminalRequest
from switch.domain.terminal.rules import KEY_SETS_OFFERED_COUNT_MAX
from switch.domain.terminal.state import KeySet, TerminalState
from switch.domain.terminal.uploads import UploadMemory, decide_upload, decide_upload_end

DONE: Final = "00"
FIRST_BATCH: Final = "000001"

Decision = (
    TerminalSignedOn
    | TerminalSignedOff
    | ScriptNoticeTaken
    | BatchClosed
    | UploadTaken
    | UploadCompared
    | RequestRefused
    | CaseOpened
)


class TerminalMemory(UploadMemory, Protocol):
    """What the decider reads of the partition's own memory."""

    def find_terminal_state(self, till: tuple[str, str, str]) -> TerminalState | None:
        """Return what a terminal has said of itself; None if it never did."""
        ...

    def total_batch(self, till: tuple[str, str, str], batch: str) -> BatchTotals:
        """Return what counts in a batch that is not closed."""
        ...

    def count_running(self, till: tuple[str, str, str], batch: str) -> int:
        """Count the payments of a batch whose outcome is not known."""
        ...

    def holds_batch(self, till: tuple[str, str, str], batch: str) -> bool:
        """Say whether payments of a batch that is not closed are remembered."""
        ...


class Refusal(NamedTuple):
    """A reason of the catalogue and what completes its text."""

    reason: Reason
    detail: str = ""


def decide_terminal(
    fact: TerminalAsked, memory: TerminalMemory, registry: RegistryView, rules: DecisionRules
) -> tuple[Decision, ...]:
    """Do what a terminal asks about itself, or refuse it; the first decision has the answer."""
    operation = fact.request.operation
    if operation is Operation.SIGN_ON:
        return (_sign_on(fact, memory, registry, rules),)
    if operation is Operation.SIGN_OFF:
        return (_sign_off(fact, memory, registry, rules),)
    if operation is Operation.SETTLEMENT:
        return (_close_batch(fact, memory, registry, rules),)
    if operation is Operation.SCRIPT_NOTICE:
        return (_take_notice(fact, rules),)
    decide = _UPLOADS.get(operation)
    if decide is None:
        return (refuse(fact, Reason.TXN_NOT_SUPPORTED, _name_message(fact.request)),)
    decisions = decide(fact, accept(fact, rules), memory, rules)
    if isinstance(decisions, str):
        return (refuse(fact, Reason.BATCH_MISMATCH, decisions),)
    return decisions


_Upload = Callable[
    [TerminalAsked, Answer, UploadMemory, DecisionRules],
    tuple[UploadTaken | UploadCompared | CaseOpened, ...] | str,
]
_UPLOADS: Final[dict[Operation, _Upload]] = {
    Operation.UPLOAD: decide_upload,
    Operation.UPLOAD_END: decide_upload_end,
}


def _name_message(request: TerminalRequest) -> str:
    return f"{request.mti} with network code {request.network_code or 'missing'}"


def accept(fact: TerminalAsked, rules: DecisionRules) -> Answer:
    """Write the answer 00 of a request."""
    day = settlement_day(fact.at, rules)
    return Answer(
        response_code=DONE,
        at=fact.at,
        rrn=fact.rrn,
        settlement_date=f"{day.month:02d}{day.day:02d}",
    )


def refuse(fact: TerminalAsked, reason: Reason, detail: str = "") -> RequestRefused:
    """Refuse a request of a terminal; nothing about it changes."""
    request = fact.request
    return RequestRefused(
        channel=request.channel,
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        stan=request.stan,
        mti=request.mti,
        answer=make_decline(reason, at=fact.at, detail=detail),
        at=fact.at,
    )


# -- sign-on and sign-off -------------------------------------------------------------------------


def check_sign_on(
    request: TerminalRequest,
    state: TerminalState | None,
    registry: RegistryView,
    rules: DecisionRules,
    at: int,
) -> Refusal | None:
    """Say what stands against a sign-on before any key is made; the first reason counts."""
    if at > request.deadline_at:
        return Refusal(Reason.REQUEST_STALE, "its terminal waits no longer")
    terminal = registry.find_terminal(request.acquirer, request.terminal_id)
    refusal = check_binding(request, terminal, registry)
    if refusal is not None:
        return refusal
    if terminal is not None and terminal.status is not TerminalStatus.ACTIVATED:
        return Refusal(Reason.TERMINAL_INACTIVE, terminal.status.value)
    if state is None or state.count_unused() < KEY_SETS_OFFERED_COUNT_MAX:
        return None
    window_ms = rules.terminals.sign_on_window_ms
    recent = [one for one in state.sign_on_times if at - one < window_ms]
    is_full = len(recent) >= KEY_SETS_OFFERED_COUNT_MAX
    if is_full and find_handed_out(request, state) is None:
        return Refusal(Reason.SIGN_ON_TOO_OFTEN, f"{len(recent)} in {window_ms // 1000} s")
    return None


def find_handed_out(request: TerminalRequest, state: TerminalState | None) -> KeySet | None:
    """
    Name the keys that a sign-on is given again instead of new ones; None: it gets new ones.

    Whoever reaches the listener can sign a terminal on. Where so many sets are out that one more
    would push out one that its terminal may hold, nobody has used any: they are as good as new.
    """
    if state is None or state.count_unused() < KEY_SETS_OFFERED_COUNT_MAX:
        return None
    return state.find_unused(request.network_code)


def check_binding(
    request: TerminalRequest, terminal: Terminal | None, registry: RegistryView
) -> Refusal | None:
    """The terminal is known and belongs to the merchant that DE 42 names."""
    if terminal is None:
        return Refusal(Reason.TERMINAL_UNKNOWN)
    if registry.find_merchant(request.merchant_id) is None:
        return Refusal(Reason.MERCHANT_NOT_FOUND)
    if not terminal.merchant_id:
        return Refusal(Reason.TERMINAL_NOT_BOUND)
    if terminal.merchant_id != request.merchant_id:
        return Refusal(Reason.TERMINAL_MISMATCH)
    return None


def _sign_on(
    fact: TerminalAsked, memory: TerminalMemory, registry: RegistryView, rules: DecisionRules
) -> TerminalSignedOn | RequestRefused:
    request = fact.request
    state = memory.find_terminal_state(request.till)
    refusal = check_sign_on(request, state, registry, rules, fact.at)
    if refusal is not None:
        return refuse(fact, refusal.reason, refusal.detail)
    if fact.fault:
        return refuse(fact, Reason(fact.fault), fact.fault_detail)
    terminal = registry.find_terminal(request.acquirer, request.terminal_id)
    version = (state.key_version if state else 0) + 1 if fact.offered else 0
    return TerminalSignedOn(
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        batch=find_open_batch(state, terminal) or _first_batch(request.batch),
        answer=accept(fact, rules),
        key_version=version,
    )


def find_open_batch(state: TerminalState | None, terminal: Terminal | None) -> str:
    """Name a terminal's open batch; empty if nobody has said so far."""
    return (state.batch if state else "") or (terminal.batch if terminal else "")


def _first_batch(stated: str) -> str:
    """Begin with the terminal's own number, if it has one."""
    return stated if stated.strip("0") else FIRST_BATCH


def _sign_off(
    fact: TerminalAsked, memory: TerminalMemory, registry: RegistryView, rules: DecisionRules
) -> TerminalSignedOff | RequestRefused:
    request = fact.request
    if memory.find_terminal_state(request.till) is None:
        terminal = registry.find_terminal(request.acquirer, request.terminal_id)
        refusal = check_binding(request, terminal, registry)
        if refusal is not None:
            return refuse(fact, refusal.reason, refusal.detail)
    return TerminalSignedOff(
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        answer=accept(fact, rules),
    )


def _take_notice(fact: TerminalAsked, rules: DecisionRules) -> ScriptNoticeTaken:
    request = fact.request
    return ScriptNoticeTaken(
        idempotency_key=request.idempotency_key,
        fingerprint=request.fingerprint,
        answer=accept(fact, rules),
    )


# -- the end of a batch ---------------------------------------------------------------------------


def _close_batch(
    fact: TerminalAsked, memory: TerminalMemory, registry: RegistryView, rules: DecisionRules
) -> BatchClosed | RequestRefused:
    """
    Compare a terminal's totals with ours and close the batch, whatever comes of it.

    A terminal that was bound to another merchant in the meantime, or is out of service, may still
    close what it has here: this moves no money.
    """
    request = fact.request
    till, batch = request.till, request.batch
    state = memory.find_terminal_state(till)
    terminal = registry.find_terminal(request.acquirer, request.terminal_id)
    has_payments = memory.holds_batch(till, batch)
    if state is None and not has_payments:
        refusal = check_binding(request, terminal, registry)
        if refusal is not None:
            return refuse(fact, refusal.reason, refusal.detail)
    open_batch = find_open_batch(state, terminal)
    is_open = not open_batch or batch == open_batch
    if not is_open and not has_payments:
        return refuse(fact, Reason.BATCH_MISMATCH, f"open batch {open_batch}")
    totals = memory.total_batch(till, batch)
    claimed = request.claimed or BatchTotals()
    return BatchClosed(
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        batch=batch,
        stan=request.stan,
        fingerprint=request.fingerprint,
        totals=totals,
        claimed=claimed,
        is_balanced=as_written(totals) == claimed,
        answer=accept(fact, rules),
        next_batch=following_batch(batch) if is_open else "",
        running_count=memory.count_running(till, batch),
    )
