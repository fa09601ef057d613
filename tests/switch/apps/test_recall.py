"""An original is read back from the journal by its RRN, under the void rule."""

import asyncio

import pytest

from switch.apps.recall import OriginalReader, recall_payment
from switch.domain.fees import FeePlan
from switch.domain.identifiers import make_rrn
from switch.domain.money import Money
from switch.domain.payment.events import PaymentApproved, PaymentRequested, PaymentRouted
from switch.domain.payment.payment import RouteTerms
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.transactions import TransactionType
from switch.eventlog.journal import JournalRecord, PositionNoted, encode_record
from switch.eventlog.journal_place import Claims
from switch.eventlog.memory_log import MemoryLog

AT = 1_700_000_000_000
PARTITION = 3
TERMS = RouteTerms(issuer_id="i", link="l", merchant_type="5411", fee_plan=FeePlan(rate_ppm=6_000))


class _Journal:
    """A partition of a journal with its claims, written record by record."""

    def __init__(self, log, writer):
        self.log = log
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
    yield _Journal(log, await log.open_partition("journal", PARTITION))
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


async def test_a_number_that_names_no_payment_is_not_looked_for_to_the_end(journal, monkeypatch):
    monkeypatch.setattr("switch.apps.recall.OPENED_WITHIN_COUNT", 1_000)
    journal.claim("one")
    for _ in range(3_000):
        journal.write("one", PositionNoted(at=AT))
    read = count_reads(journal.writer)
    assert await journal.recall(make_rrn(PARTITION, 1)) == (None, "")
    assert len(read) == 3


async def test_an_outcome_that_is_too_far_away_is_not_called_missing(journal, monkeypatch):
    monkeypatch.setattr("switch.apps.recall.READ_RECORDS_MAX", 1_000)
    journal.claim("one")
    rrn = journal.open_payment("one")
    for _ in range(3_000):
        journal.write("one", PositionNoted(at=AT))
    journal.approve("one", rrn)
    payment, fault = await journal.recall(rrn)
    assert (payment, fault) == (None, "no outcome within 1000 records")


def count_reads(log):
    """Let every read be noted, by its offset."""
    read, offsets = log.read, []

    async def note(offset, **options):
        offsets.append(offset)
        return await read(offset, **options)

    log.read = note
    return offsets


# -- a reader of its own ---------------------------------------------------------------------------


@pytest.fixture
async def shared(journal):
    """A journal with a payment, a way to open readers of it, and those that were opened."""
    journal.claim("one")
    rrn = journal.open_payment("one")
    journal.approve("one", rrn)
    opened = []

    async def open_log():
        log = await journal.log.open_partition("journal", PARTITION)
        opened.append(log)
        return log

    return journal, rrn, open_log, opened


async def test_the_reader_that_looks_for_foreign_claims_is_never_moved(shared):
    journal, rrn, open_log, opened = shared
    moved = count_reads(journal.writer)
    originals = OriginalReader(open_log, journal.claims)
    for _ in range(2):
        assert (await originals.read(rrn, journal.end)).payment is not None
    assert (moved, len(opened)) == ([], 1)
    await originals.close()


async def test_originals_are_read_one_after_the_other(shared):
    journal, rrn, open_log, _ = shared
    reading, most = [], []

    async def open_watched():
        log = await open_log()
        read = log.read

        async def watch(offset, **options):
            reading.append(offset)
            most.append(len(reading))
            await asyncio.sleep(0)
            records = await read(offset, **options)
            reading.pop()
            return records

        log.read = watch
        return log

    originals = OriginalReader(open_watched, journal.claims)
    found = await asyncio.gather(*(originals.read(rrn, journal.end) for _ in range(5)))
    assert all(one.payment is not None for one in found)
    assert max(most) == 1


async def test_a_read_that_never_ends_is_given_up_and_the_next_gets_a_new_reader(shared):
    journal, rrn, open_log, opened = shared

    async def open_stuck_at_first():
        log = await open_log()
        if len(opened) == 1:
            log.read = lambda *_, **__: asyncio.Event().wait()
        return log

    originals = OriginalReader(open_stuck_at_first, journal.claims, timeout_s=0.05)
    assert await originals.read(rrn, journal.end) == (None, "not read within 0.05 s")
    assert (await originals.read(rrn, journal.end)).payment is not None


async def test_whatever_breaks_a_read_it_is_answered(shared):
    journal, rrn, open_log, _ = shared

    async def open_broken():
        log = await open_log()
        log.read = None
        return log

    originals = OriginalReader(open_broken, journal.claims)
    assert await originals.read(rrn, journal.end) == (None, "TypeError")
