"""What became of payments, asked of the audit projection; payments go on without it."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, cast

import asyncpg

from projections.audit.payments import PaymentRow
from projections.database import Connection
from projections.queries.case_file import Standing, find_by_key, load_standing
from projections.queries.payments import list_last_payments
from switch.adapters.http_api import FoundPayment, Unavailable
from switch.adapters.http_page import PagePayment
from switch.domain.identifiers import make_client_key
from switch.domain.money import CURRENCY_NAMES, Money
from switch.domain.payment.payment import Phase
from switch.domain.reasons import Reason
from switch.domain.transactions import MoneyState, TransactionType
from switch.handlers.json_answers import (
    PAYMENTS_PATH,
    REVERSED,
    Change,
    PaymentResource,
    Told,
    show_status,
    tell,
)

POOL_COUNT_MAX: Final = 4
CONNECT_TIMEOUT_S: Final = 2.0
QUERY_TIMEOUT_S: Final = 3.0
_NUL: Final = "\0"  # the one character that no text of PostgreSQL has: nothing is named so
_DATABASE_FAULTS: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)


class AuditStatus:
    """Reads the audit tables through a small pool that is opened when it is first needed."""

    def __init__(self, dsn: Callable[[], str], name_reference: Callable[[str], str] = str) -> None:
        """
        `dsn` is asked at each attempt; empty: none was named.

        `name_reference` gives the name under which a partner's key is kept.
        """
        self._dsn = dsn
        self._name_reference = name_reference
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    async def find_by_rrn(self, rrn: str) -> FoundPayment | None:
        """
        Look a payment up by its retrieval reference number.

        Raises:
            Unavailable: the database cannot be asked now.
        """
        if _NUL in rrn:
            return None
        async with self.connection() as connection:
            standing = await load_standing(connection, rrn)
        return make_found(standing) if standing else None

    async def find_by_key(
        self, client_id: str, merchant_id: str, idempotency_key: str
    ) -> FoundPayment | None:
        """
        Look a partner's payment up by the key that it was asked for with.

        Raises:
            Unavailable: the database cannot be asked now.
        """
        key = make_client_key(
            client=client_id,
            merchant_id=merchant_id,
            idempotency_key=self._name_reference(idempotency_key),
        )
        if _NUL in key:
            return None
        async with self.connection() as connection:
            subjects = await find_by_key(connection, key)
        with_payment = [subject.rrn for subject in subjects if subject.rrn]
        return await self.find_by_rrn(with_payment[0]) if with_payment else None

    async def list_last(self, count: int) -> tuple[PagePayment, ...]:
        """
        Return the last payments for the start page.

        Raises:
            Unavailable: the database cannot be asked now.
        """
        async with self.connection() as connection:
            rows = await list_last_payments(connection, count)
        return tuple(_make_page_payment(row) for row in rows)

    async def close(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """
        Lend a connection; every fault of the database is one that passes.

        Raises:
            Unavailable: the database cannot be asked now.
        """
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
                    raise Unavailable(
                        "this process knows no database of payments and cases: set projector.dsn to"
                        " what `postgres` in the projector's addresses.json says, and start it"
                        " again; payments go on without it"
                    )
                self._pool = await asyncpg.create_pool(
                    dsn,
                    min_size=0,
                    max_size=POOL_COUNT_MAX,
                    timeout=CONNECT_TIMEOUT_S,
                    command_timeout=QUERY_TIMEOUT_S,
                )
            return self._pool


def make_found(standing: Standing) -> FoundPayment:
    """Describe a payment as it stands now, with what was done to it, in a partner's words."""
    row = standing.payment
    verdict = standing.judge()
    status = _show(row)
    told = _tell(row, status)
    is_settled = verdict.money_state not in _UNSETTLED
    return FoundPayment(
        merchant_id=row.merchant_id,
        resource=PaymentResource(
            status=status,
            money_state=verdict.money_state,
            response_code=row.response_code,
            transaction=row.kind,
            rrn=row.rrn,
            original_rrn=row.original_rrn,
            reason_code=row.reason,
            authorization_id=row.authorization_id,
            settlement_date=row.settlement_date,
            amount_minor=row.amount_minor,
            currency=row.currency,
            card=row.masked_pan,
            actor=told.actor if told else "",
            retry=told.retry if told else "",
            message_zh=told.message.zh if told else "",
            message_en=told.message.en if told else "",
            next_action_zh=told.next_action.zh if told else "",
            next_action_en=told.next_action.en if told else "",
            status_url="" if is_settled else f"{PAYMENTS_PATH}/{row.rrn}",
            verdict=verdict.line,
            refunded_minor=sum(
                one.amount_minor
                for one in standing.changed_by
                if one.kind == TransactionType.REFUND.value
                and one.state == Phase.APPROVED.value
                and one.original_rrn == row.rrn
            ),
            changes=tuple(_describe_change(standing, one) for one in standing.changed_by),
        ),
    )


def _describe_change(standing: Standing, row: PaymentRow) -> Change:
    return Change(
        rrn=row.rrn,
        original_rrn=row.original_rrn,
        transaction=row.kind,
        status=_show(row),
        money_state=standing.judge_change(row).money_state,
        amount_minor=row.amount_minor,
        currency=row.currency,
        at=f"{_time_of(row):%Y-%m-%dT%H:%M:%SZ}",
    )


def _show(row: PaymentRow) -> str:
    return show_status(Phase(row.state), row.response_code, row.reason)


def _time_of(row: PaymentRow) -> dt.datetime:
    return dt.datetime.fromtimestamp(row.opened_at_ms / 1000, dt.UTC)


_UNSETTLED: Final = frozenset({MoneyState.UNKNOWN.value, MoneyState.RETURNING.value})


def _tell(row: PaymentRow, status: str) -> Told | None:
    """Put what was answered into words; None while nothing was."""
    if not row.response_code:
        return None
    reason = Reason.ALREADY_REVERSED.value if status == REVERSED else row.reason
    return tell(row.response_code, reason, TransactionType(row.kind), Phase(row.state))


def _make_page_payment(row: PaymentRow) -> PagePayment:
    known = row.currency in CURRENCY_NAMES
    return PagePayment(
        at=f"{_time_of(row):%Y-%m-%d %H:%M:%S}",
        rrn=row.rrn,
        merchant_id=row.merchant_id,
        amount=str(Money(row.amount_minor, row.currency)) if known else str(row.amount_minor),
        card=row.masked_pan,
        status=row.state,
        reason=row.reason or (f"money {row.money_state}" if _is_moving(row.money_state) else ""),
    )


def _is_moving(money_state: str) -> bool:
    return money_state in {MoneyState.RETURNING.value, MoneyState.RETURNED.value}
