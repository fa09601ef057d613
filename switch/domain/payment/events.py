"""
Events of payments, as the journal keeps them for ever.

A record of the journal begins with the fact that was decided upon (asked, answered, timed out) and
goes on with the decisions. A tag, once written, never changes its meaning.
"""

import msgspec

from switch.domain.fees import FeePlan
from switch.domain.money import Money
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
    """Fact: a new payment was asked for; `links_up` names the issuer links then in service."""

    rrn: str
    request: PaymentRequest
    at: int
    links_up: tuple[str, ...] = ()
    registry_confirmed: bool = True


class RouteTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the registry said when the payment was routed, as far as later steps need it."""

    issuer_id: str
    link: str
    merchant_type: str
    fee_plan: FeePlan
    agent_id: str = ""
    store_id: str = ""


class PaymentRouted(Event, frozen=True, kw_only=True, tag="payment-routed.v1"):
    """
    Decision: the debit may be sent over `link`, once, within the send window.

    `upstream_stan` is DE 11 and `transmission_time` DE 7 (MMDDhhmmss, UTC) towards the issuer.
    """

    rrn: str
    terms: RouteTerms
    upstream_stan: str
    transmission_time: str


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


class SettlementLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    The settlement effect of one event in minor units; a reversal's line has negative amounts.

    `net_minor = gross_minor - fee_minor`; `settlement_date` is MMDD resolved to a full date
    (YYYY-MM-DD).
    """

    acquirer: str
    merchant_id: str
    settlement_date: str
    currency: str
    gross_minor: int
    fee_minor: int
    terminal_id: str = ""
    batch: str = ""
    agent_id: str = ""

    @property
    def net_minor(self) -> int:
        """What the merchant is owed for this line."""
        return self.gross_minor - self.fee_minor


class PaymentApproved(Event, frozen=True, kw_only=True, tag="payment-approved.v1"):
    """Decision: the issuer debited; the terminal may be told so once this is durable."""

    rrn: str
    answer: Answer
    line: SettlementLine
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
    """Decision: the reversal is sent to the issuer, for the `attempt`-th time (from 1)."""

    rrn: str
    attempt: int
    at: int
    transmission_time: str


class ReversalAnswered(Event, frozen=True, kw_only=True, tag="reversal-answered.v1"):
    """Fact: the issuer answered the reversal."""

    rrn: str
    response_code: str
    at: int


class PaymentReversed(Event, frozen=True, kw_only=True, tag="payment-reversed.v1"):
    """Decision: no debit of this payment stands; `line` mirrors the approval's, if there was."""

    rrn: str
    at: int
    line: SettlementLine | None = None


class CaseOpened(Event, frozen=True, kw_only=True, tag="case-opened.v1"):
    """Decision: a person must look; `kind` names why, `detail` says what is known."""

    case_id: str
    kind: str
    at: int
    rrn: str = ""
    detail: str = ""


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
