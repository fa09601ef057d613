import pytest

from loadtest.lone_partition import ACQUIRER
from loadtest.memory_world import (
    first_mac_key_of,
    make_registry,
    master_key_of,
    merchant_id_of,
    terminal_id_of,
)
from switch.security.keys import Keys, mak_owner
from switch.security.keystore import MemoryKeyStore
from switch.security.mac import MacKey


@pytest.fixture(scope="module")
def keys():
    return Keys(MemoryKeyStore(), minute_key_lifetime_ms=60_000)


def test_terminals_are_spread_over_the_merchants_and_may_do_everything(keys):
    registry = make_registry(keys, 5, 2)
    found = [registry.find_terminal(ACQUIRER, terminal_id_of(number)) for number in range(5)]
    assert [one.merchant_id for one in found] == [merchant_id_of(n) for n in (0, 1, 0, 1, 0)]
    merchant = registry.find_merchant(merchant_id_of(1))
    assert merchant.missing_fields() == ()
    assert set(found[0].transactions) == set(merchant.transactions)
    assert registry.find_issuer("62000000").issuer_id == "bank"


def test_the_registered_keys_are_those_that_the_terminals_use(keys):
    terminal = make_registry(keys, 1, 1).find_terminal(ACQUIRER, terminal_id_of(0))
    opened = keys.open_mac_key("unionpay-ecb", terminal.mak, mak_owner(terminal))
    own = MacKey("unionpay-ecb", first_mac_key_of(terminal.terminal_id))
    assert opened.compute(b"message") == own.compute(b"message")
    assert len(master_key_of(terminal.terminal_id)) == 16
    assert terminal.tmk is not None
