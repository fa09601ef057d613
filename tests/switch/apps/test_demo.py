import pytest

from switch.apps.demo import DEMO_TERMINAL_ID, load_demo_world, read_demo_world
from switch.apps.gateway import list_acquirers
from switch.apps.settings import Settings

WORLD = """
[[issuers]]
issuer_id = "wide"
bins = ["6"]
[[issuers]]
issuer_id = "narrow"
bins = ["51", "6200"]
[[routes]]
route_id = "a"
issuer_id = "wide"
link = "wrong"
[[routes]]
route_id = "b"
issuer_id = "narrow"
link = "second"
priority = 2
[[routes]]
route_id = "c"
issuer_id = "narrow"
link = "first"
priority = 1
[[terminals]]
acquirer = "acq"
terminal_id = "00000009"
profile = "iso1987-ascii"
merchant_id = "898110154110009"
mac_algorithm = "none"
[[terminals]]
acquirer = "acq"
terminal_id = "00000001"
profile = "unionpay-pos"
merchant_id = "898110154110001"
mak = "1C1C1C1C1C1C1C1C"
tmk = "0123456789ABCDEFFEDCBA9876543210"
key_scheme = "004"
serial_number = "SN-1"
batch = "000001"
[[clients]]
client_id = "sealed"
key_hash = "00"
[[clients]]
client_id = "open"
api_key = "sk_demo"
"""


@pytest.mark.parametrize("document", [WORLD, WORLD.encode()])
def test_the_names_are_those_of_the_file(document):
    world = read_demo_world(document)
    assert (world.acquirer, world.link, world.api_key) == ("acq", "first", "sk_demo")
    assert world.merchant_id == "898110154110001"


def test_the_well_known_terminal_comes_first_with_its_key():
    first = read_demo_world(WORLD).find_terminal(None, None)
    assert (first.terminal_id, first.batch) == (DEMO_TERMINAL_ID, "000001")
    assert first.mak == bytes.fromhex("1C1C1C1C1C1C1C1C")
    assert first.tmk == bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    assert (first.key_scheme, first.pin_format, first.serial_number) == ("004", "iso-0", "SN-1")
    assert "1c" not in repr(first).lower().replace("00000001", "")


def test_a_terminal_is_found_by_id_or_by_how_it_speaks():
    world = read_demo_world(WORLD)
    assert world.find_terminal("00000009", None).mac_algorithm == "none"
    assert world.find_terminal(None, "iso1987-ascii").terminal_id == "00000009"
    assert world.find_terminal("00000009", "unionpay-pos") is None


def test_the_listeners_serve_the_acquirers_of_the_demo_world():
    world = load_demo_world()
    acquirers = list_acquirers(Settings())
    for profile, acquirer in acquirers.items():
        assert world.find_terminal("00000001", profile).acquirer == acquirer
