"""Journals made from a seed: all that happens, interleaved, with claims and stray records."""

import functools
import random
from collections.abc import Callable, Iterator
from typing import Final

from loadtest.generated_changes import CHANGES
from loadtest.generated_stories import STORIES
from loadtest.generated_terminals import DAYS
from switch.domain.card import Card
from switch.domain.fees import FeePlan, compute_fee
from switch.domain.identifiers import make_idempotency_key, make_rrn
from switch.domain.money import Money
from switch.domain.payment.events import (
    CaseOpened,
    DuplicateConflicted,
    IssuerAnswered,
    IssuerTimedOut,
    LateAnswerReceived,
    OutcomeUnknown,
    PaymentApproved,
    PaymentDeclined,
    PaymentRequested,
    PaymentReversed,
    PaymentRouted,
    RequestRefused,
    ReversalAccepted,
    ReversalAnswered,
    ReversalAttempted,
    ReversalRequested,
    TombstoneSet,
)
from switch.domain.payment.payment import RouteTerms, SettlementLine
from switch.domain.payment.requests import Answer, OriginalReference, PaymentRequest
from switch.domain.terminal.events import TerminalAsked
from switch.domain.transactions import TransactionType
from switch.eventlog.journal import (
    InboundParked,
    JournalEvent,
    JournalRecord,
    PartitionClaimed,
    PositionNoted,
    encode_record,
)

FIRST_AT_MS: Final = 1_790_000_000_000
SEALED_PAN: Final = b"sealed-under-a-key-of-the-vault-0123456789abcdef"
ACQUIRER: Final = "48981"
IN_FLIGHT_MAX: Final = 40
RARE_SHARE: Final = 0.3  # of what is trouble
_RARE: Final = (*CHANGES, *DAYS)
_FEES: Final = FeePlan(rate_ppm=6_000, cap_minor=3_500)
_TERMS: Final = RouteTerms(
    issuer_id="issuer-a",
    link="issuer-a-1",
    merchant_type="5411",
    fee_plan=_FEES,
    agent_id="agent-7",
)
_ASKED: Final = (PaymentRequested, ReversalRequested, DuplicateConflicted, TerminalAsked)
Steps = Iterator[tuple[JournalEvent, ...]]


class JournalMaker:
    """
    Writes one partition's journal, record by record; the same seed gives the same bytes.

    `trouble` is the share of payments that do not simply end approved.
    """

    def __init__(
        self, partition: int, seed: int, *, trouble: float = 0.3, merchant_count: int = 20
    ) -> None:
        self.partition = partition
        self.next_offset = 0
        self._random = random.Random(seed * 101 + partition)
        self._trouble = trouble
        self._merchant_count = merchant_count
        self._at = FIRST_AT_MS
        self._stan = 0
        self._claim_id = ""
        self._inbound_offset = -1
        self._in_flight: list[Steps] = []

    def make(self, record_count: int) -> list[bytes]:
        """Return the next `record_count` records."""
        values = []
        for _ in range(record_count):
            values.append(encode_record(self._next_record()))
            self.next_offset += 1
        return values

    @property
    def at(self) -> int:
        """When the next record is written, epoch ms."""
        return self._at

    @property
    def terms(self) -> RouteTerms:
        """Where payments are routed to."""
        return _TERMS

    def next_rrn(self) -> str:
        """Give the RRN of a payment that the next record opens."""
        return make_rrn(self.partition, self.next_offset)

    def settle(self, request: PaymentRequest) -> SettlementLine:
        """Write the settlement line of a debit."""
        return _make_line(request, self._at)

    def _next_record(self) -> JournalRecord:
        self._at += self._random.randrange(4)
        chance = self._random.random()
        if not self._claim_id or chance < self._trouble / 250:
            return self._claim()
        if chance < self._trouble / 80:
            return self._wrap((PositionNoted(at=self._at),))
        if chance < self._trouble / 25:
            return self._make_stray()
        while True:
            if self._in_flight and (
                len(self._in_flight) >= IN_FLIGHT_MAX or self._random.random() < 0.6  # noqa: PLR2004
            ):
                steps = self._random.choice(self._in_flight)
            else:
                steps = self._begin()
                self._in_flight.append(steps)
            events = next(steps, None)
            if events is not None:
                return self._wrap(events)
            self._in_flight.remove(steps)

    def _claim(self) -> JournalRecord:
        self._claim_id = f"{self._random.getrandbits(128):032x}"
        claimed = PartitionClaimed(owner="handler-1", claim_id=self._claim_id, at=self._at)
        return self._wrap((claimed,))

    def _wrap(self, events: tuple[JournalEvent, ...]) -> JournalRecord:
        asked = isinstance(events[0], _ASKED)
        self._inbound_offset += asked
        return JournalRecord(
            claim_id=self._claim_id,
            at=self._at,
            watermark=max(0, self._inbound_offset - 3),
            registry_position=57,
            events=events,
            inbound_offset=self._inbound_offset if asked else -1,
            inbound_id=f"gateway-1-{self._inbound_offset}" if asked else "",
        )

    def _make_stray(self) -> JournalRecord:
        """Write as a former owner whose record lands late: void, whatever it says."""
        rrn = make_rrn(self.partition, max(0, self.next_offset - 1))
        request = self._make_request()
        answer = Answer(response_code="00", at=self._at, rrn=rrn)
        line = _make_line(request, FIRST_AT_MS)
        return JournalRecord(
            claim_id="f" * 32,
            at=self._at,
            watermark=0,
            registry_position=57,
            events=(PaymentApproved(rrn=rrn, answer=answer, line=line),),
        )

    def _make_request(self) -> PaymentRequest:
        self._stan += 1
        merchant = self._random.randrange(self._merchant_count)
        merchant_id = f"8981101541{self.partition:02d}{merchant:03d}"
        terminal_id = f"{merchant:08d}"
        stan = f"{self._stan % 1_000_000:06d}"
        key = make_idempotency_key(
            acquirer=ACQUIRER,
            merchant_id=merchant_id,
            terminal_id=terminal_id,
            batch="000001",
            stan=stan,
            message_class="payment",
        )
        token = f"{self._random.getrandbits(256):064x}"
        return PaymentRequest(
            idempotency_key=key,
            fingerprint=token[::-1],
            channel="unionpay-pos",
            acquirer=ACQUIRER,
            merchant_id=merchant_id,
            transaction=TransactionType.SALE,
            received_at=self._at,
            start_before=self._at + 4_000,
            deadline_at=self._at + 45_000,
            amount=Money(self._random.randrange(1, 200_000), "156"),
            card=Card(
                token=token,
                token_key_id="t1",  # noqa: S106 - names a key, is none
                masked_pan="622588******9999",
                bin="62258812",
                sealed_pan=SEALED_PAN,
                seal_key_id="s1",
                seal_id=f"gateway-1-{self._inbound_offset + 1}",
            ),
            terminal_id=terminal_id,
            batch="000001",
            stan=stan,
            mti="0200",
            processing_code="000000",
            pos_entry_mode="051",
            pos_condition_code="00",
        )

    def _begin(self) -> Steps:
        request = self._make_request()
        rrn = make_rrn(self.partition, self.next_offset)
        if self._random.random() >= self._trouble:
            return self._sell(rrn, request)
        scripts: tuple[Callable[[str, PaymentRequest], Steps], ...] = (
            self._decline,
            self._refuse,
            self._never_answered,
            self._taken_back,
            self._conflict,
            self._unproven,
            self._reversal_first,
            self._end_as_case,
            *(functools.partial(story, self) for story in STORIES),
        )
        if self._random.random() < RARE_SHARE:
            return self._random.choice(_RARE)(self, rrn, request)
        return self._random.choice(scripts)(rrn, request)

    def route(self, rrn: str, request: PaymentRequest) -> tuple[JournalEvent, ...]:
        """Ask for a payment and route it."""
        asked = PaymentRequested(rrn=rrn, request=request, at=self._at, links_up=("issuer-a-1",))
        routed = PaymentRouted(
            rrn=rrn, terms=_TERMS, upstream_stan=request.stan, transmission_time="1122153000"
        )
        return (asked, routed)

    def approve(self, rrn: str, request: PaymentRequest) -> tuple[JournalEvent, ...]:
        """Let the issuer approve a payment."""
        line = _make_line(request, self._at)
        answered = IssuerAnswered(
            rrn=rrn, response_code="00", at=self._at, authorization_id="A1B2C3"
        )
        answer = Answer(
            response_code="00",
            at=self._at,
            rrn=rrn,
            authorization_id="A1B2C3",
            settlement_date="1122",
        )
        return (answered, PaymentApproved(rrn=rrn, answer=answer, line=line))

    def _sell(self, rrn: str, request: PaymentRequest) -> Steps:
        yield self.route(rrn, request)
        yield self.approve(rrn, request)

    def _refuse(self, rrn: str, request: PaymentRequest) -> Steps:
        answer = Answer(response_code="03", at=self._at, rrn=rrn, reason="merchant-not-active")
        asked = PaymentRequested(rrn=rrn, request=request, at=self._at)
        yield (asked, PaymentDeclined(rrn=rrn, answer=answer))

    def _decline(self, rrn: str, request: PaymentRequest) -> Steps:
        yield self.route(rrn, request)
        answer = Answer(response_code="51", at=self._at, rrn=rrn, reason="issuer-declined")
        answered = IssuerAnswered(rrn=rrn, response_code="51", at=self._at)
        yield (answered, PaymentDeclined(rrn=rrn, answer=answer))

    def lose(self, rrn: str) -> tuple[JournalEvent, ...]:
        """Let the issuer stay silent, and try to reverse the payment once."""
        answer = Answer(response_code="98", at=self._at, rrn=rrn, reason="upstream-unknown")
        return (
            IssuerTimedOut(rrn=rrn, cause="timeout", at=self._at),
            OutcomeUnknown(rrn=rrn, cause="timeout", answer=answer),
            self._attempt(rrn, 1),
        )

    def _attempt(self, rrn: str, attempt: int) -> ReversalAttempted:
        return ReversalAttempted(
            rrn=rrn,
            attempt=attempt,
            at=self._at,
            transmission_time="1122153004",
            next_at=self._at + 2_000,
        )

    def _never_answered(self, rrn: str, request: PaymentRequest) -> Steps:
        yield self.route(rrn, request)
        yield self.lose(rrn)
        yield (self._attempt(rrn, 2),)
        yield (LateAnswerReceived(rrn=rrn, response_code="00", at=self._at),)
        answered = ReversalAnswered(rrn=rrn, response_code="00", at=self._at)
        yield (answered, PaymentReversed(rrn=rrn, at=self._at))

    def _taken_back(self, rrn: str, request: PaymentRequest) -> Steps:
        yield self.route(rrn, request)
        yield self.approve(rrn, request)
        key = request.idempotency_key.replace("|payment", "|reversal")
        answer = Answer(response_code="00", at=self._at, rrn=rrn)
        yield (
            ReversalRequested(request=self._reversal_of(request), at=self._at, rrn=rrn),
            ReversalAccepted(reversal_key=key, answer=answer, rrn=rrn, upstream=True),
        )
        yield (self._attempt(rrn, 1),)
        answered = ReversalAnswered(rrn=rrn, response_code="00", at=self._at)
        mirror = _mirror(_make_line(request, self._at))
        yield (answered, PaymentReversed(rrn=rrn, at=self._at, line=mirror))

    def _reversal_of(self, request: PaymentRequest) -> PaymentRequest:
        key = request.idempotency_key.replace("|payment", "|reversal")
        return PaymentRequest(
            idempotency_key=key,
            fingerprint=request.fingerprint,
            channel=request.channel,
            acquirer=request.acquirer,
            merchant_id=request.merchant_id,
            transaction=request.transaction,
            received_at=self._at,
            start_before=self._at + 4_000,
            deadline_at=self._at + 45_000,
            amount=request.amount,
            card=request.card,
            terminal_id=request.terminal_id,
            batch=request.batch,
            stan=request.stan,
            mti="0400",
            reversal_reason="98",
            original=OriginalReference(batch=request.batch, stan=request.stan),
        )

    def _conflict(self, rrn: str, request: PaymentRequest) -> Steps:
        yield self.route(rrn, request)
        yield self.approve(rrn, request)
        answer = Answer(response_code="94", at=self._at, reason="duplicate-conflict")
        yield (
            DuplicateConflicted(
                idempotency_key=request.idempotency_key,
                answer=answer,
                fingerprint="0" * 64,
                at=self._at,
                rrn=rrn,
            ),
        )

    def _unproven(self, rrn: str, request: PaymentRequest) -> Steps:
        answer = Answer(response_code="A0", at=self._at, reason="mac-invalid")
        refused = RequestRefused(
            channel=request.channel,
            acquirer=request.acquirer,
            merchant_id=request.merchant_id,
            terminal_id=request.terminal_id,
            stan=request.stan,
            mti="0200",
            answer=answer,
            at=self._at,
        )
        parked = InboundParked(
            inbound_offset=self._inbound_offset,
            inbound_id=f"gateway-1-{rrn}",
            fault="AssertionError",
            at=self._at,
        )
        yield (refused,)
        yield (parked,)

    def _reversal_first(self, rrn: str, request: PaymentRequest) -> Steps:
        key = request.idempotency_key
        answer = Answer(response_code="00", at=self._at)
        yield (
            ReversalRequested(request=self._reversal_of(request), at=self._at),
            TombstoneSet(
                idempotency_key=key,
                terminal_id=request.terminal_id,
                stan=request.stan,
                until=self._at + 172_800_000,
            ),
            ReversalAccepted(reversal_key=key.replace("|payment", "|reversal"), answer=answer),
        )
        rrn = make_rrn(self.partition, self.next_offset)
        late = Answer(response_code="94", at=self._at, rrn=rrn, reason="late-after-reversal")
        asked = PaymentRequested(rrn=rrn, request=request, at=self._at)
        yield (asked, PaymentDeclined(rrn=rrn, answer=late))

    def _end_as_case(self, rrn: str, request: PaymentRequest) -> Steps:
        yield self.route(rrn, request)
        yield self.lose(rrn)
        yield (
            ReversalAnswered(rrn=rrn, response_code="25", at=self._at),
            CaseOpened(
                case_id=f"reversal-not-found-{rrn}",
                kind="reversal-not-found",
                at=self._at,
                rrn=rrn,
                detail="the issuer says that it knows no debit",
            ),
        )


def _make_line(request: PaymentRequest, at: int) -> SettlementLine:
    assert request.amount is not None
    return SettlementLine(
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        settlement_date="2026-11-22" if at % 7 else "2026-11-23",
        currency=request.amount.currency,
        gross_minor=request.amount.minor,
        fee_minor=compute_fee(request.amount.minor, _FEES),
        terminal_id=request.terminal_id,
        batch=request.batch,
        agent_id="agent-7",
    )


def _mirror(line: SettlementLine) -> SettlementLine:
    return SettlementLine(
        acquirer=line.acquirer,
        merchant_id=line.merchant_id,
        settlement_date=line.settlement_date,
        currency=line.currency,
        gross_minor=-line.gross_minor,
        fee_minor=-line.fee_minor,
        terminal_id=line.terminal_id,
        batch=line.batch,
        agent_id=line.agent_id,
    )
