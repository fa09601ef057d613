import pytest

from loadtest.lone_partition import LonePartition
from loadtest.memory_cashier import Cashier
from loadtest.memory_days import DAY_MS, MINUTE_MS, answer_as_issuer
from loadtest.memory_world import LINK, make_registry, merchant_id_of, terminal_id_of
from switch.domain.payment.payment import Phase
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.journal import decode_record
from switch.handlers.book import PartitionBook
from switch.security.keys import Keys
from switch.security.keystore import MemoryKeyStore

PAN = "6200000000000007"


@pytest.fixture
def partition():
    keys = Keys(MemoryKeyStore(), minute_key_lifetime_ms=MINUTE_MS)
    partition = LonePartition(DecisionRules(), make_registry(keys, 1, 1), keys, 20_000 * DAY_MS)
    partition.issuer = answer_as_issuer
    partition.set_links((LINK,))
    return partition


@pytest.fixture
def cashier(partition):
    return Cashier(partition, terminal_id_of(0), merchant_id_of(0))


def test_a_message_is_decided_asked_and_answered_in_line(partition, cashier):
    sale = cashier.ask("sale", 1200, PAN)
    assert partition.read_reply().fields["response_code"] == "00"
    assert partition.book.find_payment(sale.rrn).phase is Phase.APPROVED
    assert (partition.payment_count, partition.record_count) == (1, 2)
    assert partition.partition.unacknowledged_count == 0


def test_what_is_due_when_time_has_passed_is_done(partition, cashier):
    sale = cashier.ask("sale", 1298, PAN)
    assert partition.book.find_payment(sale.rrn).phase is Phase.ROUTED
    partition.pass_ms(MINUTE_MS)
    assert partition.book.find_payment(sale.rrn).phase is Phase.REVERSING
    partition.pass_ms(3 * MINUTE_MS)
    assert partition.book.find_payment(sale.rrn).phase is Phase.REVERSED
    before = partition.now
    partition.pass_to(0)
    assert partition.now == before, "time never goes back"


def test_an_original_is_read_back_from_the_records_that_were_kept_of_it(partition, cashier):
    partition.keeps_next = True
    sale = cashier.ask("sale", 1200, PAN)
    other = cashier.ask("sale", 1300, PAN)
    cashier.settle(partition.book.total_batch(cashier.till, cashier.batch))
    partition.pass_ms(8 * DAY_MS)
    cashier.ask("inquiry", 0, PAN)
    assert partition.book.find_payment(sale.rrn) is None
    refund = cashier.ask_about("refund", sale, 400)
    assert partition.book.find_payment(refund.rrn).phase is Phase.APPROVED
    assert len(partition.book.find_payment(sale.rrn).touches) == 1
    cashier.ask_about("refund", other, 400)
    assert partition.read_reply().fields["response_code"] == "25", "nothing was kept of it"
    assert partition.recall_count == 2


def test_partners_and_operators_are_heard(partition, cashier):
    common = {"client_id": "partner", "merchant_id": cashier.merchant_id, "currency": "156"}
    partition.ask_as_partner({**common, "idempotency_key": "1", "amount_minor": "700"}, PAN)
    rrn = partition.opened_rrn
    assert partition.book.find_payment(rrn).phase is Phase.APPROVED
    claim = {"command": "open", "command_id": "1", "by": "anna", "rrn": rrn, "text": "not served"}
    partition.command(claim)
    assert partition.list_open_cases() == [f"not-served-{rrn}"]


def test_the_records_taken_fold_to_the_same_memory(partition, cashier):
    records = []
    partition.take_record = records.append
    for amount in (100, 200, 251):
        cashier.ask("sale", amount, PAN)
    cashier.ask("pre-authorization", 300, PAN)
    book = PartitionBook(1, 4, DecisionRules())
    for record in records:
        book.apply(decode_record(record))
    assert book == partition.book
