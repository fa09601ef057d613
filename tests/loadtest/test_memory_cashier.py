import pytest

from loadtest.lone_partition import LonePartition
from loadtest.memory_cashier import KINDS, Cashier
from loadtest.memory_days import DAY_MS, MINUTE_MS, answer_as_issuer
from loadtest.memory_world import LINK, make_registry, merchant_id_of, terminal_id_of
from switch.domain.payment.payment import Phase
from switch.domain.payment.rules import DecisionRules
from switch.domain.terminal.requests import BatchTotals
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


def told(partition):
    return partition.read_reply().fields["response_code"]


@pytest.mark.parametrize("kind", ["sale", "inquiry", "pre-authorization", "offline"])
def test_what_stands_alone_is_approved(partition, cashier, kind):
    receipt = cashier.ask(kind, 1200, PAN)
    assert told(partition) == "00"
    assert partition.book.find_payment(receipt.rrn).phase is Phase.APPROVED


@pytest.mark.parametrize("kind", ["void", "refund"])
def test_a_sale_is_changed_by_its_rrn(partition, cashier, kind):
    cashier.ask_about(kind, cashier.ask("sale", 1200, PAN), 1200)
    assert told(partition) == "00"


@pytest.mark.parametrize("kind", ["pre-authorization-void", "completion", "completion-advice"])
def test_a_hold_is_changed_by_its_authorization(partition, cashier, kind):
    hold = cashier.ask("pre-authorization", 1200, PAN)
    code = str(partition.read_reply().fields["authorization_id"])
    cashier.ask_about_hold(kind, hold, 1200, code)
    assert told(partition) == "00"
    assert set(KINDS) > {kind}


def test_a_repeat_and_a_reversal_are_about_the_same_payment(partition, cashier):
    sale = cashier.ask("sale", 1200, PAN)
    cashier.repeat(sale)
    assert (told(partition), partition.payment_count) == ("00", 1)
    cashier.take_back(sale)
    assert told(partition) == "00"
    assert partition.book.find_payment(sale.rrn).reverse_requested


def test_the_reversal_of_what_never_came_is_answered(partition, cashier):
    cashier.take_back_unsent(1200, PAN)
    assert (told(partition), partition.payment_count) == ("00", 0)


def test_after_a_sign_on_the_new_keys_prove_every_message(partition, cashier):
    for _ in range(2):
        cashier.sign_on()
        cashier.ask("sale", 1200, PAN)
        assert told(partition) == "00"
        partition.pass_ms(MINUTE_MS)
    cashier.tell_script_result(PAN)
    assert told(partition) == "00"


def test_a_batch_is_settled_and_the_next_one_begun(partition, cashier):
    cashier.ask("sale", 1200, PAN)
    assert cashier.settle(BatchTotals(debit_minor=1200, debit_count=1))
    assert cashier.batch == "000002"
    cashier.ask("sale", 1200, PAN)
    assert told(partition) == "00"
    assert not cashier.settle(BatchTotals())
    cashier.end_upload("000002")
    assert told(partition) == "00"
    assert [case.rpartition("-")[0] for case in partition.list_open_cases()] == ["batch-host-only"]
