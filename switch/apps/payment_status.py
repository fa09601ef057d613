"""What became of payments, asked of the audit projection; payments go on without it."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, cast

import asyncpg

from projections.audit.payments import PaymentRow
from projections.database import Connection
from projections.queries.case_file import Subject, find_by_reference, load_case_file
from projections.queries.payments import list_last_payments
from switch.adapters.http_api import FoundPayment, Unavailable
from switch.adapters.http_page import PagePayment
from switch.domain.declines import decline_of, issuer_code
from switch.domain.identifiers import make_client_key
from switch.domain.money import CURRENCY_NAMES, Money
from switch.domain.payment.payment import Phase
from switch.domain.payment.requests import APPROVED_CODES
from switch.domain.reasons import Reason
from switch.domain.transactions import MoneyState
from switch.handlers.json_answers import PaymentResource

POOL_COUNT_MAX: Final = 4
CONNECT_TIMEOUT_S: Final = 2.0
QUERY_TIMEOUT_S: Final = 3.0
_DATABASE_FAULTS: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)
# how a payment's phase reads to a partner; what is missing here is declined
_SHOWN: Final = {
    Phase.APPROVED.value: "approved",
    Phase.ROUTED.value: "unknown",
    Phase.REQUESTED.value: "unknown",
    Phase.REPEATING.value: "unknown",
    Phase.CASE.value: "unknown",
    Phase.REVERSING.value: "declined",
    Phase.REVERSED.value: "declined",
    Phase.DECLINED.value: "declined",
}
_TAKEN_BACK: Final = frozenset({Phase.REVERSING.value, Phase.REVERSED.value})
assert set(_SHOWN) == {phase.value for phase in Phase}


class AuditStatus:
    """Reads the audit tables through a small pool that is opened when it is first needed."""

    def __init__(self, dsn: Callable[[], str]) -> None:
        """`dsn` is asked at each attempt; empty: there is no database yet."""
        self._dsn = dsn
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    async def find_by_rrn(self, rrn: str) -> FoundPayment | None:
        """
        Look a payment up by its retrieval reference number.

        Raises:
            Unavailable: the database cannot be asked now.
        """
        async with self._connection() as connection:
            case_file = await load_case_file(connection, Subject(rrn=rrn))
        return make_found(case_file.payment) if case_file.payment else None

    async def find_by_key(
        self, client_id: str, merchant_id: str, idempotency_key: str
    ) -> FoundPayment | None:
        """
        Look a partner's payment up by the key that it was asked for with.

        Raises:
            Unavailable: the database cannot be asked now.
        """
        key = make_client_key(
            client=client_id, merchant_id=merchant_id, idempotency_key=idempotency_key
        )
        async with self._connection() as connection:
            subjects = await find_by_reference(connection, key)
        with_payment = [subject.rrn for subject in subjects if subject.rrn]
        return await self.find_by_rrn(with_payment[0]) if with_payment else None

    async def list_last(self, count: int) -> tuple[PagePayment, ...]:
        """
        Return the last payments for the start page.

        Raises:
            Unavailable: the database cannot be asked now.
        """
        async with self._connection() as connection:
            rows = await list_last_payments(connection, count)
        return tuple(_make_page_payment(row) for row in rows)

    async def close(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            pool = await self._open()
            async with pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                yield cast("Connection", connection)
        except asyncpg.UndefinedTableError as error:
            raise Unavailable(
                "the projections have not begun yet; ask again in a moment"
            ) from error
        except _DATABASE_FAULTS as error:
            raise Unavailable(
                f"the database of the projections does not answer ({type(error).__name__});"
                " payments go on without it"
            ) from error

    async def _open(self) -> "asyncpg.Pool[asyncpg.Record]":
        async with self._opening:
            if self._pool is None:
                dsn = self._dsn()
                if not dsn:
                    raise Unavailable("the database of the projections is not up yet")
                self._pool = await asyncpg.create_pool(
                    dsn,
                    min_size=0,
                    max_size=POOL_COUNT_MAX,
                    timeout=CONNECT_TIMEOUT_S,
                    command_timeout=QUERY_TIMEOUT_S,
                )
            return self._pool


def make_found(row: PaymentRow) -> FoundPayment:
    """Describe a payment as it stands now, in the words of the catalogue."""
    status = _SHOWN[row.state]
    if row.response_code in APPROVED_CODES and row.state in _TAKEN_BACK:
        status = "reversed"  # it was approved, and its terminal took it back
    is_explained = row.reason and row.reason != Reason.ISSUER_DECLINED.value
    told = decline_of(Reason(row.reason)) if is_explained else issuer_code(row.response_code)
    has_answer = bool(row.response_code)
    return FoundPayment(
        merchant_id=row.merchant_id,
        resource=PaymentResource(
            status=status,
            money_state=row.money_state,
            response_code=row.response_code,
            rrn=row.rrn,
            reason_code=row.reason,
            authorization_id=row.authorization_id,
            settlement_date=row.settlement_date,
            amount_minor=row.amount_minor,
            currency=row.currency,
            card=row.masked_pan,
            actor=told.actor.value if has_answer else "",
            retry=told.retry.value if has_answer else "",
            message_zh=told.zh if has_answer else "",
            message_en=told.en if has_answer else "",
            next_action_zh=told.next_zh if has_answer else "",
            next_action_en=told.next_en if has_answer else "",
            status_url=f"/v1/payments/{row.rrn}" if status == "unknown" else "",
        ),
    )


def _make_page_payment(row: PaymentRow) -> PagePayment:
    at = dt.datetime.fromtimestamp(row.opened_at_ms / 1000, dt.UTC)
    known = row.currency in CURRENCY_NAMES
    return PagePayment(
        at=f"{at:%Y-%m-%d %H:%M:%S}",
        rrn=row.rrn,
        merchant_id=row.merchant_id,
        amount=str(Money(row.amount_minor, row.currency)) if known else str(row.amount_minor),
        card=row.masked_pan,
        status=row.state,
        reason=row.reason or (f"money {row.money_state}" if _is_moving(row.money_state) else ""),
    )


def _is_moving(money_state: str) -> bool:
    return money_state in {MoneyState.RETURNING.value, MoneyState.RETURNED.value}
