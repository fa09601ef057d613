import tomllib

import pytest

from switch.demo.world import demo_registry_document
from switch.domain.card import bin_of
from switch.domain.registry.entities import MerchantStatus, ServiceStatus
from switch.domain.registry.view import Registry
from switch.domain.transactions import TransactionType
from switch.registrar.document import parse_document
from switch.registrar.registrar import Registrar
from switch.security.api_keys import hash_api_key
from switch.security.keys import Keys
from switch.security.keystore import MemoryKeyStore

KEYS = Keys(MemoryKeyStore(), minute_key_lifetime_ms=1_000)
SALE_MAB = bytes.fromhex(
    "0200 7024048000C08011 16 6200000000000005 000000 000000000100 000123 3012 0120 00"
    "3030303030303031 383938313130313534313130303031 313536 0013 22000001000500"
)


@pytest.fixture(scope="module")
def world():
    registry = Registry()
    registrar = Registrar(registry, seal_key=KEYS.seal_key, clear_keys_allowed=True)
    for event in registrar.load(parse_document(demo_registry_document()), "demo", 1):
        registry.apply(registry.position, event)
    return registry


def test_the_composed_sale_is_a_valid_message_here(world):
    terminal = world.find_terminal("00000001", "00000001")
    merchant = world.find_merchant("898110154110001")
    assert KEYS.mac_key_of(terminal).verify(SALE_MAB, b"48E1FCAE")
    assert (terminal.merchant_id, terminal.batch, terminal.signed_on) == (
        merchant.merchant_id,
        "000001",
        True,
    )
    assert (merchant.mcc, merchant.status) == ("5411", MerchantStatus.ACTIVATED)
    assert merchant.missing_fields() == ()
    assert TransactionType.SALE in merchant.transactions
    assert TransactionType.SALE in terminal.transactions
    assert not terminal.entry_modes, "any entry mode, manual entry too"
    assert world.agent_chain(merchant.agent_id)


@pytest.mark.parametrize(
    "pan",
    [
        "6200000000000005",
        "6205500000000000004",
        "4111111111111111",
        "5555555555554444",
        "2223003122003222",
    ],
)
def test_public_test_cards_lead_to_the_issuer_simulator(world, pan):
    issuer = world.find_issuer(bin_of(pan))
    assert [route.link for route in world.routes_of(issuer.issuer_id)] == ["issuer-1"]


def test_other_cards_lead_to_a_line_that_is_down_to_no_route_or_to_nobody(world):
    down = world.find_issuer(bin_of("3566002020360505"))
    assert [route.link for route in world.routes_of(down.issuer_id)] == ["issuer-2"]
    assert world.routes_of(world.find_issuer(bin_of("378282246310005")).issuer_id) == ()
    assert world.find_issuer(bin_of("6011111111111117")) is None


def test_the_same_shop_sells_over_the_other_dialect_and_over_http(world):
    terminal = world.find_terminal("00000002", "00000001")
    assert (terminal.profile, terminal.needs_mac) == ("iso1987-ascii", False)
    client = world.find_api_client(hash_api_key("demo-api-key-not-secret"))
    assert client.status is ServiceStatus.IN_SERVICE
    assert "898110154110001" in client.merchants


def test_every_device_has_a_serial_number_of_its_own():
    terminals = tomllib.loads(demo_registry_document().decode())["terminals"]
    serials = [each["serial_number"] for each in terminals if "merchant_id" in each]
    assert len(serials) == len(set(serials))


def test_the_world_is_the_same_each_time():
    assert demo_registry_document() == demo_registry_document()
