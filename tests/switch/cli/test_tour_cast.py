import pytest
from msgspec.structs import replace

from switch.apps.demo import load_demo_world
from switch.cli.tour_cast import find_inactive_terminal, make_order, make_terminal


def test_the_inactive_merchants_terminal_is_itself_in_order():
    terminal, status = find_inactive_terminal(load_demo_world())
    assert status == "suspended"
    assert terminal.profile == "unionpay-pos"
    assert terminal.mak
    assert terminal.merchant_id != load_demo_world().merchant_id


def test_a_world_where_all_are_active_has_none():
    world = load_demo_world()
    active = world.document
    for status in (b'"suspended"', b'"frozen"', b'"approved"', b'"draft"'):
        active = active.replace(b"status = " + status, b'status = "activated"')
    with pytest.raises(LookupError):
        find_inactive_terminal(replace(world, document=active))


def test_the_first_terminal_calls_the_listener_of_its_profile():
    asked = []

    def find_address(listener):
        asked.append(listener)
        return ("127.0.0.1", 1)

    terminal = make_terminal(load_demo_world().terminals[0], find_address)
    assert terminal._find_address() == ("127.0.0.1", 1)
    assert asked == [terminal.state.profile]
    assert make_order(100).amount_minor == 100
