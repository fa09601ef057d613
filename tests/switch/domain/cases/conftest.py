"""Payments in any phase, of any kind, and a case about them."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from switch.domain.card import Card
from switch.domain.cases.commands import CaseCommand, CommandKind
from switch.domain.cases.events import Resolution
from switch.domain.cases.state import Case, CaseState
from switch.domain.fees import FeePlan
from switch.domain.money import Money
from switch.domain.payment.payment import Payment, Phase, RouteTerms, SettlementLine
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.transactions import TransactionType

AT = 1_700_000_000_000
RRN, ORIGINAL_RRN = "010000000042", "010000000007"
TERMS = RouteTerms(
    issuer_id="bank", link="bank-1", merchant_type="5411", fee_plan=FeePlan(rate_ppm=6_000)
)
LINE = SettlementLine(
    acquirer="demo",
    merchant_id="898110154110001",
    settlement_date="2023-11-15",
    currency="156",
    gross_minor=10_000,
    fee_minor=60,
)


def make_request(transaction: TransactionType, minor: int) -> PaymentRequest:
    return PaymentRequest(
        idempotency_key="k",
        fingerprint="f",
        channel="unionpay-pos",
        acquirer="demo",
        merchant_id="898110154110001",
        transaction=transaction,
        received_at=AT,
        start_before=AT + 1_000,
        deadline_at=AT + 5_000,
        amount=Money(minor, "156"),
        card=Card(
            token="t" * 64,
            token_key_id="k1",
            masked_pan="620000******0005",
            bin="62000000",
            sealed_pan=b"sealed",
            seal_key_id="s1",
            seal_id="gw-1",
        ),
        terminal_id="00000001",
        batch="000001",
        stan="000123",
    )


@pytest.fixture
def make_payment() -> Callable[..., Payment]:
    def make(
        phase: Phase = Phase.APPROVED,
        transaction: TransactionType = TransactionType.SALE,
        *,
        minor: int = 10_000,
        **changes: object,
    ) -> Payment:
        payment = Payment(
            rrn=RRN,
            request=make_request(transaction, minor),
            opened_at=AT,
            phase=phase,
            terms=TERMS,
            answer=Answer(response_code="00", at=AT, rrn=RRN),
            line=replace(LINE, transaction=transaction),
        )
        return replace(payment, **changes)

    return make


@pytest.fixture
def sale(make_payment: Callable[..., Payment]) -> Payment:
    """An original that other payments quote."""
    payment = make_payment()
    return replace(payment, rrn=ORIGINAL_RRN)


@pytest.fixture
def case() -> Case:
    return Case(
        case_id=f"not-served-{RRN}",
        kind="not-served",
        opened_at=AT,
        rrn=RRN,
        amount=Money(10_000, "156"),
        state=CaseState.OPEN,
    )


@pytest.fixture
def resolve() -> Callable[..., CaseCommand]:
    def make(
        resolution: Resolution = Resolution.NO_ACTION, by: str = "anna", **changes: object
    ) -> CaseCommand:
        command = CaseCommand(
            kind=CommandKind.RESOLVE,
            command_id="r-1",
            by=by,
            at=AT + 60_000,
            case_id=f"not-served-{RRN}",
            text="looked at the slip",
            resolution=resolution,
        )
        return replace(command, **changes)

    return make
