import tomllib

import pytest

from switch.demo.world import demo_registry_document
from switch.domain.card import bin_of
from switch.domain.registry.entities import (
    DuplicatePolicy,
    MerchantStatus,
    ServiceStatus,
    id_of,
)
from switch.domain.registry.view import Registry
from switch.domain.transactions import TransactionType
from switch.registrar.document import parse_document
from switch.registrar.registrar import Registrar
from switch.security.api_keys import hash_api_key
from switch.security.keys import Keys
from switch.security.keystore import MemoryKeyStore

EVERYTHING = set(TransactionType) - {TransactionType.UNKNOWN}
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
    assert set(merchant.transactions) == set(terminal.transactions) == EVERYTHING
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
    assert set(terminal.transactions) == EVERYTHING
    client = world.find_api_client(hash_api_key("demo-api-key-not-secret"))
    assert client.status is ServiceStatus.IN_SERVICE
    assert "898110154110001" in client.merchants


@pytest.mark.parametrize(
    ("terminal_id", "algorithm", "scheme", "mac"),
    [
        ("00000001", "unionpay-ecb", "003", b"48E1FCAE"),
        ("00000041", "x9.9", "001", bytes.fromhex("657936DD8CB09637")),
        ("00000042", "x9.19", "003", bytes.fromhex("80BFF4B0F7C5213A")),
        ("00000043", "unionpay-ecb-sm4", "006", None),
        ("00000044", "unionpay-ecb", "004", b"63D0E3DE"),
    ],
)
def test_the_shop_has_a_terminal_for_each_way_to_prove_a_message(
    world, terminal_id, algorithm, scheme, mac
):
    terminal = world.find_terminal("00000001", terminal_id)
    assert (terminal.mac_algorithm, terminal.key_scheme) == (algorithm, scheme)
    assert terminal.merchant_id == "898110154110001"
    assert set(terminal.transactions) == EVERYTHING
    computed = KEYS.mac_key_of(terminal).compute(SALE_MAB)
    assert len(computed) == 8
    assert mac in {computed, None}
    assert terminal.tmk is not None
    assert (terminal.pik is None) == (scheme == "006"), "a PIN under SM4 does not fit DE 52"


def test_every_terminal_that_must_or_may_sign_on_has_a_master_key(world):
    terminals = world.list_entities("terminals")
    without = {id_of(terminal) for terminal in terminals if terminal.tmk is None}
    assert without == {"00000001:00000038", "00000002:00000001"}
    des = {each.tmk.kcv for each in terminals if each.tmk and each.key_scheme != "006"}
    assert des == {"08D7B4FB"}, "one for all, so that its page stays short"


def test_pin_blocks_reach_the_issuer_simulator_under_its_zone_key(world):
    with_zone_key = [issuer for issuer in world.list_entities("issuers") if issuer.zpk]
    assert [issuer.issuer_id for issuer in with_zone_key] == ["demo-issuer"]


def test_an_issuer_whose_line_is_down_is_stood_in_for_some_of_its_cards(world):
    issuer = world.find_issuer(bin_of("30569309025904"))
    assert issuer is world.find_issuer(bin_of("36227206271667"))
    assert issuer.stand_in.floor_limit_minor == 10_000
    assert "30569309025904".startswith(issuer.stand_in.bins)
    assert not "36227206271667".startswith(issuer.stand_in.bins)
    assert [route.link for route in world.routes_of(issuer.issuer_id)] == ["issuer-3"]
    others = [each for each in world.list_entities("issuers") if each is not issuer]
    assert not any(each.stand_in for each in others)


@pytest.mark.parametrize(
    ("shop", "policy", "window_s"),
    [
        ("01", DuplicatePolicy.REFUSE, 0),
        ("51", DuplicatePolicy.OFF, 0),
        ("52", DuplicatePolicy.WARN, 60),
        ("53", DuplicatePolicy.REFUSE, 60),
    ],
)
def test_there_is_a_shop_for_each_view_of_a_second_try(world, shop, policy, window_s):
    merchant = world.find_merchant(f"8981101541100{shop}")
    terminal = world.find_terminal("00000001", f"000000{shop}")
    assert (merchant.duplicate_policy, merchant.duplicate_window_s) == (policy, window_s)
    assert merchant.missing_fields() == ()
    assert set(merchant.transactions) == set(terminal.transactions) == EVERYTHING


def test_every_shop_can_be_paid_over_http(world):
    client = world.find_api_client(hash_api_key("demo-api-key-not-secret"))
    assert set(client.merchants) == {each.merchant_id for each in world.list_entities("merchants")}


def test_two_operators_can_resolve_what_takes_two(world):
    operators = [
        world.find_operator(hash_api_key(f"demo-operator-{number}-key-not-secret"))
        for number in (1, 2)
    ]
    assert [each.operator_id for each in operators] == ["demo-operator-1", "demo-operator-2"]
    assert all("resolve" in each.roles for each in operators)


def test_every_device_has_a_serial_number_of_its_own():
    terminals = tomllib.loads(demo_registry_document().decode())["terminals"]
    serials = [each["serial_number"] for each in terminals if "merchant_id" in each]
    assert len(serials) == len(set(serials))


def test_the_world_is_the_same_each_time():
    assert demo_registry_document() == demo_registry_document()
