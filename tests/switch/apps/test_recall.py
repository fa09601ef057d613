"""An original is read back from the journal by its RRN, under the void rule."""

import pytest

from switch.apps.recall import Claims, recall_payment
from switch.domain.fees import FeePlan
from switch.domain.identifiers import make_rrn
from switch.domain.money import Money
from switch.domain.payment.events import PaymentApproved, PaymentRequested, PaymentRouted
from switch.domain.payment.payment import RouteTerms
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.transactions import TransactionType
from switch.eventlog.journal import JournalRecord, PositionNoted, encode_record
from switch.eventlog.memory_log import MemoryLog

AT = 1_700_000_000_000
PARTITION = 3
TERMS = RouteTerms(issuer_id="i", link="l", merchant_type="5411", fee_plan=FeePlan(rate_ppm=6_000))


class _Journal:
    """A partition of a journal with its claims, written record by record."""

    def __init__(self, writer):
        self.writer = writer
        self.claims = Claims()

    @property
    def end(self):
        return self.writer.partition.next_offset

    def write(self, claim_id, *events):
        record = JournalRecord(
            claim_id=claim_id, at=AT, watermark=0, registry_position=0, events=events
        )
        return self.writer.partition.put(encode_record(record))

    def claim(self, claim_id):
        offset = self.write(claim_id, PositionNoted(at=AT))
        self.claims.note(offset, claim_id)

    def open_payment(self, claim_id, *, shift=0):
        rrn = make_rrn(PARTITION, self.end + shift)
        request = PaymentRequest(
            idempotency_key=rrn,
            fingerprint="f",
            channel="unionpay-pos",
            acquirer="a",
            merchant_id="m",
            transaction=TransactionType.SALE,
            received_at=AT,
            start_before=AT,
            deadline_at=AT,
            amount=Money(100, "156"),
        )
        routed = PaymentRouted(
            rrn=rrn, terms=TERMS, upstream_stan="000001", transmission_time="1114000000"
        )
        self.write(claim_id, PaymentRequested(rrn=rrn, request=request, at=AT), routed)
        return rrn

    def approve(self, claim_id, rrn, code="00"):
        answer = Answer(response_code=code, at=AT, rrn=rrn, authorization_id="123456")
        self.write(claim_id, PaymentApproved(rrn=rrn, answer=answer))

    async def recall(self, rrn):
        return await recall_payment(self.writer, self.claims, rrn, self.end)


@pytest.fixture
async def journal():
    log = MemoryLog(PARTITION + 1)
    yield _Journal(await log.open_partition("journal", PARTITION))
    await log.close()


async def test_a_payment_is_found_by_its_reference_number_among_many(journal):
    journal.claim("one")
    for _ in range(700):
        journal.approve("one", journal.open_payment("one"))
    rrn = journal.open_payment("one")
    for _ in range(700):
        journal.open_payment("one")
    journal.approve("one", rrn)
    payment, fault = await journal.recall(rrn)
    assert (payment.rrn, payment.approved_minor, fault) == (rrn, 100, "")


async def test_what_a_stray_writer_says_of_a_payment_is_not_believed(journal):
    journal.claim("one")
    rrn = journal.open_payment("one")
    journal.claim("two")
    journal.approve("one", rrn)  # void: its writer had lost the partition
    assert await journal.recall(rrn) == (None, "")
    journal.approve("two", rrn)
    payment, _ = await journal.recall(rrn)
    assert payment is not None


async def test_a_stray_record_before_the_opening_one_only_shifts_it(journal):
    journal.claim("one")
    journal.claim("two")
    rrn = make_rrn(PARTITION, journal.end)
    journal.write("one", PositionNoted(at=AT))
    assert journal.open_payment("two", shift=-1) == rrn
    journal.approve("two", rrn)
    payment, _ = await journal.recall(rrn)
    assert payment is not None


async def test_a_number_that_names_no_payment_finds_nothing(journal):
    journal.claim("one")
    journal.write("one", PositionNoted(at=AT))
    assert await journal.recall(make_rrn(PARTITION, 1)) == (None, "")


async def test_a_journal_that_cannot_be_read_says_so_and_nothing_is_concluded(journal):
    journal.claim("one")
    rrn = journal.open_payment("one")
    journal.approve("one", rrn)
    journal.writer.partition.first_offset = journal.end
    payment, fault = await journal.recall(rrn)
    assert payment is None
    assert "outside" in fault


async def test_a_record_of_a_newer_program_is_a_fault_not_a_missing_payment(journal):
    journal.claim("one")
    rrn = journal.open_payment("one")
    known = journal.writer.partition.records[-1]
    strange = known.value.replace(b"payment-routed.v1", b"payment-routed.v9")
    journal.writer.partition.records[-1] = known._replace(value=strange)
    payment, fault = await journal.recall(rrn)
    assert payment is None
    assert "cannot read" in fault
