"""
Events of payments, as the journal keeps them for ever.

A record of the journal begins with the fact that was decided upon (asked, answered, timed out) and
goes on with the decisions. A tag, once written, never changes its meaning.
"""

import msgspec

from switch.domain.money import Money
from switch.domain.payment.payment import Payment, RouteTerms, SettlementLine
from switch.domain.payment.requests import Answer, PaymentRequest


class Event(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="type"
):
    """
    Whatever is written to the journal; each kind has its own hand-written tag.

    No event refers to itself, so the garbage collector need not look at any (gc=False): a
    partition remembers hundreds of thousands.
    """


class PaymentRequested(Event, frozen=True, kw_only=True, tag="payment-requested.v1"):
    """
    Fact: a new payment was asked for; `links_up` names the issuer links then in service.

    `recalled` is the original that it quotes, where that had to be read back from the journal.
    `pin_fault` says why its PIN block cannot be given to the issuer, empty if it can or has none.
    """

    rrn: str
    request: PaymentRequest
    at: int
    links_up: tuple[str, ...] = ()
    registry_confirmed: bool = True
    recalled: Payment | None = None
    pin_fault: str = ""


class PaymentRouted(Event, frozen=True, kw_only=True, tag="payment-routed.v1"):
    """
    Decision: the debit may be sent over `link`, once, within the send window.

    `upstream_stan` is DE 11 and `transmission_time` DE 7 (MMDDhhmmss, UTC) towards the issuer.
    `original_rrn` names the payment that this one changes; it is held from here on. `warning` says
    what is odd about a request that was let through.
    """

    rrn: str
    terms: RouteTerms
    upstream_stan: str
    transmission_time: str
    original_rrn: str = ""
    warning: str = ""


class AdviceAccepted(Event, frozen=True, kw_only=True, tag="advice-accepted.v1"):
    """
    Decision: approved without the issuer, who is told until it answers.

    `cause`: `offline`, `adjustment` or `completion-advice` (the terminal reports what it did), or
    `stand-in` (the issuer could not be asked). `sent_amount` is what the issuer is asked for where
    that is not the amount of the request. Without `terms` nobody can be told: a case says why.
    """

    rrn: str
    cause: str
    answer: Answer
    terms: RouteTerms | None = None
    upstream_stan: str = ""
    transmission_time: str = ""
    line: SettlementLine | None = None
    original_rrn: str = ""
    sent_amount: Money | None = None


class PaymentDeclined(Event, frozen=True, kw_only=True, tag="payment-declined.v1"):
    """Decision: no; nothing was or will be debited for this payment."""

    rrn: str
    answer: Answer


class IssuerAnswered(Event, frozen=True, kw_only=True, tag="issuer-answered.v1"):
    """Fact: the issuer's first answer to the debit came in time."""

    rrn: str
    response_code: str
    at: int
    authorization_id: str = ""
    settlement_date: str = ""  # MMDD, as the issuer wrote it
    amount: Money | None = None
    fault: str = ""  # why the answer cannot be trusted, empty if it can
    balance: str = ""  # DE 54 of an inquiry's answer


class IssuerTimedOut(Event, frozen=True, kw_only=True, tag="issuer-timed-out.v1"):
    """
    Fact: no answer to the debit will be waited for any longer.

    `cause`: `timeout`, `link-lost`, `taken-over` (a successor found the debit routed),
    `window-missed` (certainly never sent).
    """

    rrn: str
    cause: str
    at: int


class LateAnswerReceived(Event, frozen=True, kw_only=True, tag="late-answer-received.v1"):
    """Fact: the issuer answered the debit after its outcome had been settled otherwise."""

    rrn: str
    response_code: str
    at: int


class PaymentApproved(Event, frozen=True, kw_only=True, tag="payment-approved.v1"):
    """
    Decision: the issuer agreed; the terminal may be told so once this is durable.

    A hold or an inquiry has no `line`, nor has what a person lets stand that has one already.
    """

    rrn: str
    answer: Answer
    line: SettlementLine | None = None
    warning: str = ""  # what is odd about the issuer's answer, though it is an approval


class OutcomeUnknown(Event, frozen=True, kw_only=True, tag="outcome-unknown.v1"):
    """
    Decision: this payment is not and never becomes approved; it is reversed until answered.

    This is the reversal intent: only after it is durable may the terminal be told 98. `cause`:
    that of IssuerTimedOut, `untrusted-answer`, `unknown-code`, `other-amount`,
    `partial-approval`, or `reversal-requested` (its terminal took it back while it was running).
    """

    rrn: str
    cause: str
    answer: Answer


class OutcomeAwaited(Event, frozen=True, kw_only=True, tag="outcome-awaited.v1"):
    """
    Decision: nobody knows whether the refund was booked, so it is repeated until answered.

    Never reversed: that would take the money back. `cause` as that of OutcomeUnknown.
    """

    rrn: str
    cause: str
    answer: Answer


class RepeatAttempted(Event, frozen=True, kw_only=True, tag="repeat-attempted.v1"):
    """
    Decision: an advice or a repeated refund is sent, for the `attempt`-th time (from 1).

    `next_at` is when it is sent again if nobody answers.
    """

    rrn: str
    attempt: int
    at: int
    next_at: int = 0


class AdviceConfirmed(Event, frozen=True, kw_only=True, tag="advice-confirmed.v1"):
    """Decision: the issuer has taken the advice."""

    rrn: str
    at: int


class ReturnOrdered(Event, frozen=True, kw_only=True, tag="return-ordered.v1"):
    """Decision: an operator takes an approved payment back; its issuer is told until it answers."""

    rrn: str
    case_id: str
    by: str
    at: int


class ReversalRequested(Event, frozen=True, kw_only=True, tag="reversal-requested.v1"):
    """Fact: a terminal sent 0400; `rrn` is its original's, empty where none was found."""

    request: PaymentRequest
    at: int
    rrn: str = ""


class ReversalAccepted(Event, frozen=True, kw_only=True, tag="reversal-accepted.v1"):
    """
    Decision: the 0400 is answered; `upstream` says whether the issuer must be asked to reverse.

    `reversal_key` is the 0400's own idempotency key.
    """

    reversal_key: str
    answer: Answer
    rrn: str = ""
    upstream: bool = False


class TombstoneSet(Event, frozen=True, kw_only=True, tag="tombstone-set.v1"):
    """Decision: the original is unknown; should it arrive before `until`, it is refused (94)."""

    idempotency_key: str
    terminal_id: str
    stan: str
    until: int


class ReversalAttempted(Event, frozen=True, kw_only=True, tag="reversal-attempted.v1"):
    """
    Decision: the reversal is sent to the issuer, for the `attempt`-th time (from 1).

    `next_at` is when it is sent again if nobody answers.
    """

    rrn: str
    attempt: int
    at: int
    transmission_time: str
    next_at: int = 0


class ReversalAnswered(Event, frozen=True, kw_only=True, tag="reversal-answered.v1"):
    """
    Fact: the issuer answered the reversal.

    `next_at` is when the attempt that confirms it follows, 0 where none does: it is not before
    that, and later if another instance takes over meanwhile.
    """

    rrn: str
    response_code: str
    at: int
    next_at: int = 0


class PaymentReversed(Event, frozen=True, kw_only=True, tag="payment-reversed.v1"):
    """Decision: no debit of this payment stands; `line` mirrors the approval's, if there was."""

    rrn: str
    at: int
    line: SettlementLine | None = None


class CaseOpened(Event, frozen=True, kw_only=True, tag="case-opened.v1"):
    """
    Decision: a person must look; `kind` names why, `detail` says what is known.

    `amount` is what it is about, where no payment under `rrn` says so. Opening a case again that
    had ended takes it up again.
    """

    case_id: str
    kind: str
    at: int
    rrn: str = ""
    detail: str = ""
    acquirer: str = ""
    merchant_id: str = ""
    terminal_id: str = ""
    amount: Money | None = None


class DuplicateConflicted(Event, frozen=True, kw_only=True, tag="duplicate-conflicted.v1"):
    """Decision: the key was used before with other content (or its answer may not be repeated)."""

    idempotency_key: str
    answer: Answer
    fingerprint: str
    at: int
    rrn: str = ""  # the first payment under this key, untouched


class RequestRefused(Event, frozen=True, kw_only=True, tag="request-refused.v1"):
    """Decision: not even a payment: unproven terminal, wrong MAC, unusable message."""

    channel: str
    acquirer: str
    merchant_id: str
    terminal_id: str
    stan: str
    mti: str
    answer: Answer
    at: int


PaymentEvent = (
    PaymentRequested
    | PaymentRouted
    | AdviceAccepted
    | OutcomeAwaited
    | RepeatAttempted
    | AdviceConfirmed
    | ReturnOrdered
    | PaymentDeclined
    | IssuerAnswered
    | IssuerTimedOut
    | LateAnswerReceived
    | PaymentApproved
    | OutcomeUnknown
    | ReversalRequested
    | ReversalAccepted
    | TombstoneSet
    | ReversalAttempted
    | ReversalAnswered
    | PaymentReversed
    | CaseOpened
    | DuplicateConflicted
    | RequestRefused
)
