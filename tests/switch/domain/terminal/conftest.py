"""A terminal's requests, the registry that knows it, and a memory that a test fills by hand."""

import pytest
from msgspec.structs import replace

from switch.domain.card import Card
from switch.domain.money import Money
from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.payment.rules import DecisionRules
from switch.domain.registry.entities import (
    Merchant,
    MerchantStatus,
    SealedKey,
    SealedWorkingKeys,
    Terminal,
    TerminalStatus,
)
from switch.domain.terminal.events import TerminalAsked
from switch.domain.terminal.requests import BatchTotals, Operation, TerminalRequest
from switch.domain.transactions import TransactionType

AT = 1_700_000_000_000
TILL = ("demo", "898110154110001", "00000001")
RULES = DecisionRules()
CARD = Card(
    token="t" * 64,
    token_key_id="k1",
    masked_pan="620000******0005",
    bin="62000000",
    sealed_pan=b"sealed",
    seal_key_id="s1",
    seal_id="gw-1",
)


def make_working_keys(scheme="003"):
    sealed = SealedKey(key_id="working-key-1", sealed=b"sealed", kcv="00000000")
    return SealedWorkingKeys(scheme=scheme, pik=sealed, mak=sealed)


class OneTerminal:
    """A registry with one merchant and one terminal, each of which can be missing."""

    position = 0

    def __init__(self):
        self.merchant = Merchant(merchant_id=TILL[1], status=MerchantStatus.ACTIVATED)
        self.terminal = Terminal(
            acquirer="demo",
            terminal_id=TILL[2],
            profile="unionpay-pos",
            status=TerminalStatus.ACTIVATED,
            merchant_id=TILL[1],
            batch="000007",
        )

    def find_terminal(self, acquirer, terminal_id):
        is_it = self.terminal is not None and (acquirer, terminal_id) == ("demo", TILL[2])
        return self.terminal if is_it else None

    def find_merchant(self, merchant_id):
        is_it = self.merchant is not None and merchant_id == self.merchant.merchant_id
        return self.merchant if is_it else None

    def agent_chain(self, _agent_id):
        return ()

    def change_terminal(self, **changes):
        self.terminal = replace(self.terminal, **changes)


class Memory:
    """What a partition remembers of one terminal."""

    def __init__(self):
        self.state = None
        self.totals = BatchTotals()
        self.running_count = 0
        self.payments = []
        self.closed = None

    def find_terminal_state(self, till):
        return self.state if till == TILL else None

    def total_batch(self, _till, _batch):
        return self.totals

    def count_running(self, _till, _batch):
        return self.running_count

    def holds_batch(self, _till, batch):
        return any(payment.request.batch == batch for payment in self.payments)

    def find_closed_batch(self, _till, batch):
        return self.closed if self.closed and self.closed.batch == batch else None

    def payments_of_closed(self, _till, _batch):
        return self.payments

    def find_by_key(self, key):
        return next((one for one in self.payments if one.request.idempotency_key == key), None)


@pytest.fixture
def registry():
    return OneTerminal()


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def ask():
    """Make the fact that this terminal asks something."""

    def make(operation, *, at=AT, offered=None, fault="", rrn="010000000009", **fields):
        request = {
            "operation": operation,
            "idempotency_key": "key",
            "fingerprint": "f1",
            "channel": "unionpay-pos",
            "acquirer": TILL[0],
            "merchant_id": TILL[1],
            "terminal_id": TILL[2],
            "stan": "000900",
            "mti": "0800" if operation is Operation.SIGN_ON else "0500",
            "received_at": at,
            "deadline_at": at + 5_000,
            "batch": "000007",
            "currency": "156",
            **fields,
        }
        return TerminalAsked(
            rrn=rrn, request=TerminalRequest(**request), at=at, offered=offered, fault=fault
        )

    return make


@pytest.fixture
def pay():
    """Make a payment of batch 000007 as it ended."""

    def make(
        stan="000123",
        *,
        transaction=TransactionType.SALE,
        phase=Phase.APPROVED,
        minor=100,
        approved=None,
        sent=None,
        batch="000007",
        card=CARD,
    ):
        request = PaymentRequest(
            idempotency_key=f"{'|'.join(TILL)}|{batch}|{stan}|payment",
            fingerprint="f",
            channel="unionpay-pos",
            acquirer=TILL[0],
            merchant_id=TILL[1],
            terminal_id=TILL[2],
            transaction=transaction,
            received_at=AT,
            start_before=AT,
            deadline_at=AT,
            amount=Money(minor, "156"),
            card=card,
            batch=batch,
            stan=stan,
        )
        answer = Answer(response_code="00", at=AT)
        if approved is not None:
            answer = replace(answer, amount=Money(approved, "156"))
        return Payment(
            rrn=f"0100{stan:0>8}",
            request=request,
            opened_at=AT,
            phase=phase,
            answer=answer,
            sent_amount=None if sent is None else Money(sent, "156"),
        )

    return make
