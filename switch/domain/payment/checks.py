"""
The order of the business checks of a new payment (docs/rules.md 7), as a table.

Identity, MAC and idempotency come before this table; the route comes after it. Each check sees the
facts and returns None or what is wrong; the first that speaks wins.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from switch.domain.money import Money
from switch.domain.payment.batch_order import is_of_these_days, precedes
from switch.domain.payment.duplicates import find_suspicion
from switch.domain.payment.originals import check_original
from switch.domain.payment.payment import Payment
from switch.domain.payment.requests import PaymentRequest
from switch.domain.payment.rules import DecisionRules
from switch.domain.reasons import Reason
from switch.domain.registry.entities import (
    Agent,
    AgentStatus,
    DuplicatePolicy,
    Merchant,
    MerchantStatus,
    Terminal,
    TerminalStatus,
    mcc_of_merchant_id,
)
from switch.domain.terminal.state import ClosedBatch, TerminalState
from switch.domain.transactions import TRAITS, Side, TransactionType


class RegistryView(Protocol):
    """What the checks read of the registry, at one position of its log."""

    position: int

    def find_terminal(self, acquirer: str, terminal_id: str) -> Terminal | None:
        """Return the terminal, if the registry knows it."""
        ...

    def find_merchant(self, merchant_id: str) -> Merchant | None:
        """Return the merchant, if the registry knows it."""
        ...

    def agent_chain(self, agent_id: str) -> Sequence[Agent] | None:
        """Return the serving agent and all above it, or None if one is missing."""
        ...


class DayTotals(msgspec.Struct, frozen=True, gc=False):
    """What a merchant has already been given today (approved or still running)."""

    amount_minor: int = 0
    count: int = 0


class BatchSize(msgspec.Struct, frozen=True, gc=False):
    """How many payments a batch has, and since when (epoch ms)."""

    payment_count: int
    opened_at: int


class Facts(msgspec.Struct, frozen=True, gc=False):
    """Everything that the checks look at, gathered once."""

    request: PaymentRequest
    terminal: Terminal | None
    merchant: Merchant | None
    agents: Sequence[Agent] | None
    totals: DayTotals
    at: int
    registry_confirmed: bool
    till: TerminalState | None = None  # what the terminal itself has said since it was registered
    batch: BatchSize | None = None  # of the batch that the request names
    closed: ClosedBatch | None = None  # that batch, if an advice comes after its end
    original: Payment | None = None
    earlier: Payment | None = None  # the terminal's last payment with this card and amount
    rules: DecisionRules = DecisionRules()


class Refusal(NamedTuple):
    """A reason of the catalogue and what completes its text (no card data)."""

    reason: Reason
    detail: str = ""


Check = Callable[[Facts], Refusal | None]


class Memory(Protocol):
    """What the checks read of the partition's own memory."""

    def day_totals(self, merchant_id: str, at: int) -> DayTotals:
        """Return what the merchant has been given on the business day of `at`."""
        ...

    def find_till(self, request: PaymentRequest) -> TerminalState | None:
        """Return what the request's terminal has said: sign-on, batch, keys."""
        ...

    def measure_batch(self, request: PaymentRequest) -> BatchSize | None:
        """Return how large the request's batch is; None if it is empty, or there is none."""
        ...

    def find_closed_batch(self, till: tuple[str, str, str], batch: str) -> ClosedBatch | None:
        """Return a batch that its terminal has closed, while it is remembered."""
        ...

    def find_referred(self, request: PaymentRequest) -> Payment | None:
        """Return the payment that a request wants to change."""
        ...

    def find_alike(self, request: PaymentRequest) -> Payment | None:
        """Return the terminal's last payment with the same card and amount."""
        ...


def gather_facts(
    request: PaymentRequest,
    registry: RegistryView,
    memory: Memory,
    rules: DecisionRules,
    *,
    at: int,
    registry_confirmed: bool,
    recalled: Payment | None,
) -> Facts:
    """Look up what the checks need."""
    merchant = registry.find_merchant(request.merchant_id)
    traits = TRAITS[request.transaction]
    return Facts(
        request=request,
        terminal=registry.find_terminal(request.acquirer, request.terminal_id)
        if request.terminal_id
        else None,
        merchant=merchant,
        agents=registry.agent_chain(merchant.agent_id) if merchant and merchant.agent_id else None,
        totals=memory.day_totals(request.merchant_id, request.received_at),
        at=at,
        registry_confirmed=registry_confirmed,
        till=memory.find_till(request),
        batch=memory.measure_batch(request),
        closed=memory.find_closed_batch(
            (request.acquirer, request.merchant_id, request.terminal_id), request.batch
        )
        if traits.is_advice
        else None,
        original=(memory.find_referred(request) or recalled) if traits.originals else None,
        earlier=memory.find_alike(request) if traits.takes_limits else None,
        rules=rules,
    )


def check_binding(facts: Facts) -> Refusal | None:
    """DE 42 names a known merchant, and the terminal is bound to that very one."""
    if facts.merchant is None:
        return Refusal(Reason.MERCHANT_NOT_FOUND)
    terminal = facts.terminal
    if terminal is None:
        return None  # a partner's request: its merchant is its identity
    if not terminal.merchant_id:
        return Refusal(Reason.TERMINAL_NOT_BOUND)
    if terminal.merchant_id != facts.request.merchant_id:
        return Refusal(Reason.TERMINAL_MISMATCH)
    return None


def check_terminal_status(facts: Facts) -> Refusal | None:
    """Only an activated terminal starts a debit."""
    if facts.terminal is None or facts.terminal.status is TerminalStatus.ACTIVATED:
        return None
    return Refusal(Reason.TERMINAL_INACTIVE, facts.terminal.status.value)


def check_sign_on(facts: Facts) -> Refusal | None:
    """
    The terminal has signed on; one whose profile knows no sign-on is registered as such.

    A sign-off carries no MAC, so anybody may have sent it: it does not bind a terminal whose
    payment proves that it holds its keys (docs/adr/0018-keys-of-a-sign-on.md).
    """
    terminal, till = facts.terminal, facts.till
    if terminal is None:
        return None
    is_signed_on = till.is_signed_on if till is not None else None
    if is_signed_on is None:
        is_signed_on = terminal.signed_on
    elif terminal.needs_mac and till is not None:
        is_signed_on = till.is_signed_on or terminal.signed_on or till.key_version > 0
    return None if is_signed_on else Refusal(Reason.SIGN_ON_REQUIRED)


def check_batch(facts: Facts) -> Refusal | None:
    """The batch is the open one, compared for equality because batch numbers wrap."""
    if facts.terminal is None:
        return None
    request, open_batch = facts.request, _find_open_batch(facts)
    if open_batch and open_batch != request.batch:
        return Refusal(Reason.BATCH_MISMATCH, f"open batch {open_batch}")
    if _is_dated(request) and not is_of_these_days(request.batch, facts.at, facts.rules):
        return Refusal(Reason.BATCH_MISMATCH, f"local date {request.batch} is not of these days")
    return _check_batch_bounds(facts)


def _find_open_batch(facts: Facts) -> str:
    terminal, till = facts.terminal, facts.till
    return (till.batch if till is not None else "") or (terminal.batch if terminal else "")


def _is_dated(request: PaymentRequest) -> bool:
    """Say whether the local date stands for a batch in the key, as in a dialect without one."""
    return bool(request.terminal_id) and request.batch == request.local_date


def is_batch_forgotten(facts: Facts) -> bool:
    """
    Say whether an advice names a batch, or a day, of which nothing is remembered any more.

    It may repeat one that was accepted then (docs/rules.md 2).
    """
    request = facts.request
    if _is_dated(request):
        return not is_of_these_days(request.batch, facts.at, facts.rules)
    is_known = facts.batch is not None or facts.closed is not None
    return not is_known and precedes(request.batch, _find_open_batch(facts))


def _check_batch_bounds(facts: Facts) -> Refusal | None:
    """A batch has room for so many payments, and for so many days (docs/rules.md 2)."""
    batch, rules = facts.batch, facts.rules
    if batch is None:
        return None
    if batch.payment_count >= rules.batch_count_max:
        return Refusal(Reason.BATCH_FULL, f"{rules.batch_count_max} payments")
    if facts.at - batch.opened_at > rules.batch_age_max_days * _DAY_MS:
        return Refusal(Reason.BATCH_FULL, f"open for {rules.batch_age_max_days} days")
    return None


_DAY_MS: Final = 86_400_000


_MERCHANT_REFUSALS: Final = {
    MerchantStatus.CLOSED: Reason.MERCHANT_CLOSED,
    MerchantStatus.FROZEN: Reason.MERCHANT_FROZEN,
}


def check_merchant_status(facts: Facts) -> Refusal | None:
    """Only an activated merchant takes payments."""
    merchant = facts.merchant
    if merchant is None or merchant.status is MerchantStatus.ACTIVATED:
        return None
    reason = _MERCHANT_REFUSALS.get(merchant.status, Reason.MERCHANT_NOT_ACTIVE)
    return Refusal(reason, merchant.status.value)


def check_agents(facts: Facts) -> Refusal | None:
    """The serving agent and every agent above it are active."""
    merchant = facts.merchant
    if merchant is None or not merchant.agent_id:
        return None
    if facts.agents is None:
        return Refusal(Reason.AGENT_NOT_ACTIVE, f"agent chain of {merchant.agent_id} is broken")
    for agent in facts.agents:
        if agent.status is not AgentStatus.ACTIVE:
            return Refusal(Reason.AGENT_NOT_ACTIVE, f"{agent.agent_id} is {agent.status.value}")
    return None


def check_configuration(facts: Facts) -> Refusal | None:
    """Nothing that settlement or routing needs is missing; what is missing is named."""
    missing = facts.merchant.missing_fields() if facts.merchant else ()
    return Refusal(Reason.MERCHANT_CONFIG_INCOMPLETE, ",".join(missing)) if missing else None


def check_transaction(facts: Facts) -> Refusal | None:
    """The switch knows this kind of transaction; merchant and terminal may use it."""
    transaction = facts.request.transaction
    if transaction is TransactionType.UNKNOWN:
        return Refusal(Reason.TXN_NOT_SUPPORTED, transaction.value)
    if facts.merchant is not None and transaction not in facts.merchant.transactions:
        return Refusal(Reason.TXN_NOT_ENABLED, f"merchant: {transaction.value}")
    if facts.terminal is not None and transaction not in facts.terminal.transactions:
        return Refusal(Reason.TXN_NOT_ENABLED, f"terminal: {transaction.value}")
    return None


def check_entry_mode(facts: Facts) -> Refusal | None:
    """The way the card was read is enabled for merchant and terminal; none named means any."""
    mode = facts.request.pos_entry_mode[:2]
    if not mode:
        return None
    merchant, terminal = facts.merchant, facts.terminal
    if merchant is not None and merchant.entry_modes and mode not in merchant.entry_modes:
        return Refusal(Reason.ENTRY_MODE_NOT_ENABLED, f"merchant: entry mode {mode}")
    if terminal is not None and terminal.entry_modes and mode not in terminal.entry_modes:
        return Refusal(Reason.ENTRY_MODE_NOT_ENABLED, f"terminal: entry mode {mode}")
    return None


def check_mcc(facts: Facts) -> Refusal | None:
    """Approved MCC, the one inside DE 42 and the one in the message are the same."""
    merchant = facts.merchant
    if merchant is None:
        return None
    stated = facts.request.merchant_type
    if stated and stated != merchant.mcc:
        return Refusal(Reason.MCC_MISMATCH, f"message says {stated}, approved is {merchant.mcc}")
    inside = mcc_of_merchant_id(merchant.merchant_id)
    if inside is not None and inside != merchant.mcc:
        return Refusal(Reason.MCC_MISMATCH, f"merchant id says {inside}, approved {merchant.mcc}")
    return None


def check_amount(facts: Facts) -> Refusal | None:
    """The amount is positive, in the merchant's currency and, to be debited, within limits."""
    merchant, amount = facts.merchant, facts.request.amount
    traits = TRAITS[facts.request.transaction]
    if not traits.has_amount:
        return None
    if amount is None and traits.originals:
        return None  # it was to be the original's; there is none
    if merchant is None or amount is None:
        return Refusal(Reason.AMOUNT_NOT_POSITIVE)
    if amount.currency != merchant.currency:
        told = f"message says {amount.currency}, approved is {merchant.currency}"
        return Refusal(Reason.CURRENCY_NOT_ENABLED, told)
    if amount.minor <= 0:
        return Refusal(Reason.AMOUNT_NOT_POSITIVE)
    if traits.side is not Side.DEBIT and not traits.takes_limits:
        return None
    terminal_max = facts.terminal.amount_max_minor if facts.terminal else None
    for limit in (merchant.amount_max_minor, terminal_max):
        if limit is not None and amount.minor > limit:
            return Refusal(Reason.AMOUNT_OVER_LIMIT, f"limit {Money(limit, amount.currency)}")
    return None


def check_daily_limits(facts: Facts) -> Refusal | None:
    """Today's payments of the merchant, this one included, stay within its limits."""
    merchant, amount = facts.merchant, facts.request.amount
    if merchant is None or amount is None or not TRAITS[facts.request.transaction].takes_limits:
        return None
    limit = merchant.daily_amount_max_minor
    if limit is not None and facts.totals.amount_minor + amount.minor > limit:
        return Refusal(Reason.DAILY_AMOUNT_OVER_LIMIT, f"limit {Money(limit, amount.currency)}")
    limit = merchant.daily_count_max
    if limit is not None and facts.totals.count + 1 > limit:
        return Refusal(Reason.DAILY_COUNT_OVER_LIMIT, f"limit {limit}")
    return None


def check_duplicate(facts: Facts) -> Refusal | None:
    """The cashier is not charging the same card the same amount again by mistake."""
    merchant = facts.merchant
    if facts.earlier is None or merchant is None:
        return None
    if merchant.duplicate_policy is not DuplicatePolicy.REFUSE:
        return None
    first = find_suspicion(facts.request, merchant, facts.earlier, facts.at)
    return Refusal(Reason.SUSPECTED_DUPLICATE, f"first {first.rrn}") if first else None


def check_referred(facts: Facts) -> Refusal | None:
    """The payment that is to be changed is there, and can be changed so."""
    if not TRAITS[facts.request.transaction].originals:
        return None
    objection = check_original(facts.request, facts.original, facts.at, facts.rules)
    return Refusal(objection.reason, objection.detail) if objection else None


def check_age(facts: Facts) -> Refusal | None:
    """Whoever asked may still be there: a backlog must not debit people who have left."""
    if facts.at <= facts.request.start_before:
        return None
    return Refusal(Reason.REQUEST_STALE, f"{facts.at - facts.request.start_before} ms late")


def check_registry(facts: Facts) -> Refusal | None:
    """A registry view that may be old declines rather than guesses."""
    return None if facts.registry_confirmed else Refusal(Reason.REGISTRY_NOT_CONFIRMED)


CHECKS: Final[tuple[Check, ...]] = (
    check_binding,
    check_terminal_status,
    check_sign_on,
    check_batch,
    check_merchant_status,
    check_agents,
    check_configuration,
    check_transaction,
    check_entry_mode,
    check_mcc,
    check_amount,
    check_daily_limits,
    check_duplicate,
    check_referred,
    check_age,
    check_registry,
)


def first_refusal(facts: Facts) -> Refusal | None:
    """Walk the table; the first check that speaks wins."""
    for check in CHECKS:
        if (refusal := check(facts)) is not None:
            return refusal
    return None
