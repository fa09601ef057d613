"""A long, valid journal made without running it: what a restart has to read."""

import base64
import datetime as dt
import hashlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from loadtest.terminal_list import TerminalSpec
from loadtest.world import TERMINALS_PER_MERCHANT, make_terminals
from switch.domain.card import Card, bin_of, mask_pan
from switch.domain.fees import FeePlan, compute_fee
from switch.domain.identifiers import (
    make_idempotency_key,
    make_partition_key,
    make_rrn,
    partition_of,
)
from switch.domain.money import Money
from switch.domain.payment.events import (
    IssuerAnswered,
    PaymentApproved,
    PaymentRequested,
    PaymentRouted,
)
from switch.domain.payment.payment import RouteTerms, SettlementLine
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.transactions import TransactionType
from switch.eventlog.journal import JournalEvent, JournalRecord, PartitionClaimed

EVENTS_PER_PAYMENT: Final = 4
RECORDS_PER_PAYMENT: Final = 2
_AMOUNT_MINOR: Final = 12_300
_CURRENCY: Final = "156"
_FEE_PLAN: Final = FeePlan(rate_ppm=6_000)
_ISSUER_MS: Final = 5
_INTERVAL_MS: Final = 2  # between two payments of a partition
_SEALED_BYTES: Final = 49  # nonce, PAN and expiry, tag
_STAN_COUNT: Final = 999_999


class MakerSettings(NamedTuple):
    """What the made journal must fit: the instance's partitions, its clock, its registry."""

    partition_count: int
    first_at_ms: int
    registry_position: int = 0
    issuer_id: str = "demo-bank"
    link: str = "demo-bank"


class PartitionMaker:
    """Makes the records of one partition, as the decisions of one owner would be."""

    def __init__(
        self, partition: int, next_offset: int, specs: list[TerminalSpec], settings: MakerSettings
    ) -> None:
        """Continue the partition at `next_offset` with payments of these terminals in turn."""
        assert specs, "a partition needs terminals whose merchants live in it"
        self._partition = partition
        self._offset = next_offset
        self._specs = specs
        self._settings = settings
        self._claim_id = f"made-{partition}"
        self._number = 0

    def make_claim(self) -> JournalRecord:
        """Take the partition."""
        at = self._settings.first_at_ms
        claimed = PartitionClaimed(owner="journal-maker", claim_id=self._claim_id, at=at)
        self._offset += 1
        return self._record(at, (claimed,))

    def make_payment(self) -> tuple[JournalRecord, JournalRecord]:
        """Return what an approved sale leaves: asked and routed; answered and approved."""
        number, spec = self._number, self._specs[self._number % len(self._specs)]
        rrn = make_rrn(self._partition, self._offset)
        at = self._settings.first_at_ms + number * _INTERVAL_MS
        stan = f"{number // len(self._specs) % _STAN_COUNT + 1:06d}"
        upstream = self._partition + self._settings.partition_count * (number + 1)
        opened = (
            PaymentRequested(
                rrn=rrn,
                request=_make_request(spec, stan, at),
                at=at,
                links_up=(self._settings.link,),
            ),
            PaymentRouted(
                rrn=rrn,
                terms=RouteTerms(
                    issuer_id=self._settings.issuer_id,
                    link=self._settings.link,
                    merchant_type=spec.merchant_id[7:11],
                    fee_plan=_FEE_PLAN,
                    agent_id="load-agent",
                ),
                upstream_stan=f"{upstream % _STAN_COUNT:06d}",
                transmission_time=f"{_utc(at):%m%d%H%M%S}",
            ),
        )
        ended_at = at + _ISSUER_MS
        date = f"{_utc(ended_at):%m%d}"
        answer = Answer(
            response_code="00",
            at=ended_at,
            rrn=rrn,
            authorization_id=rrn[-6:],
            settlement_date=date,
        )
        ended = (
            IssuerAnswered(
                rrn=rrn,
                response_code="00",
                at=ended_at,
                authorization_id=rrn[-6:],
                settlement_date=date,
                amount=Money(_AMOUNT_MINOR, _CURRENCY),
            ),
            PaymentApproved(rrn=rrn, answer=answer, line=_make_line(spec, ended_at)),
        )
        self._offset += RECORDS_PER_PAYMENT
        self._number += 1
        return self._record(at, opened, inbound_offset=number), self._record(ended_at, ended)

    def _record(
        self,
        at: int,
        events: tuple[JournalEvent, ...],
        inbound_offset: int = -1,
    ) -> JournalRecord:
        return JournalRecord(
            claim_id=self._claim_id,
            at=at,
            watermark=self._number,
            registry_position=self._settings.registry_position,
            events=events,
            inbound_offset=inbound_offset,
            inbound_id=f"made-{inbound_offset}" if inbound_offset >= 0 else "",
        )


def make_partitions(
    settings: MakerSettings, next_offsets: list[int], terminal_count: int
) -> list[PartitionMaker]:
    """Spread the load world's terminals over the partitions in which their merchants live."""
    specs_of: list[list[TerminalSpec]] = [[] for _ in range(settings.partition_count)]
    for spec in make_terminals(terminal_count):
        key = make_partition_key(spec.acquirer, spec.merchant_id)
        specs_of[partition_of(key, settings.partition_count)].append(spec)
    return [
        PartitionMaker(partition, next_offsets[partition], specs, settings)
        for partition, specs in enumerate(specs_of)
    ]


def terminal_count_for(partition_count: int) -> int:
    """Return a number of terminals that leaves no partition without some."""
    return partition_count * TERMINALS_PER_MERCHANT * 32


def count_payments(event_count: int, partition_count: int) -> Iterator[int]:
    """Share the payments that hold so many events among the partitions."""
    payments = -(-event_count // EVENTS_PER_PAYMENT)
    for partition in range(partition_count):
        yield payments // partition_count + (partition < payments % partition_count)


def _utc(at_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)


def _make_line(spec: TerminalSpec, at: int) -> SettlementLine:
    return SettlementLine(
        acquirer=spec.acquirer,
        merchant_id=spec.merchant_id,
        settlement_date=f"{_utc(at):%Y-%m-%d}",
        currency=_CURRENCY,
        gross_minor=_AMOUNT_MINOR,
        fee_minor=compute_fee(_AMOUNT_MINOR, _FEE_PLAN),
        terminal_id=spec.terminal_id,
        batch=spec.batch,
        agent_id="load-agent",
    )


def _make_request(spec: TerminalSpec, stan: str, at: int) -> PaymentRequest:
    key = make_idempotency_key(
        acquirer=spec.acquirer,
        merchant_id=spec.merchant_id,
        terminal_id=spec.terminal_id,
        batch=spec.batch,
        stan=stan,
        message_class="payment",
    )
    fingerprint = hashlib.sha256(key.encode())
    return PaymentRequest(
        idempotency_key=key,
        fingerprint=fingerprint.hexdigest(),
        channel="unionpay-pos",
        acquirer=spec.acquirer,
        merchant_id=spec.merchant_id,
        transaction=TransactionType.SALE,
        received_at=at,
        start_before=at + 1_750,
        deadline_at=at + 5_000,
        amount=Money(_AMOUNT_MINOR, _CURRENCY),
        card=_make_card(spec, fingerprint.digest()),
        terminal_id=spec.terminal_id,
        batch=spec.batch,
        stan=stan,
        mti="0200",
        processing_code="000000",
        pos_entry_mode="012",
        pos_condition_code="00",
    )


def _make_card(spec: TerminalSpec, noise: bytes) -> Card:
    """A card whose sealed PAN opens to nothing, but has the size of a real one."""
    return Card(
        token=hashlib.sha256(spec.pan.encode()).hexdigest(),
        token_key_id="card-token-1",  # noqa: S106 - the name of a key
        masked_pan=mask_pan(spec.pan),
        bin=bin_of(spec.pan),
        sealed_pan=(noise * 2)[:_SEALED_BYTES],
        seal_key_id="card-seal-1",
        seal_id=base64.b32encode(noise[:10]).decode(),
    )
