from msgspec.structs import replace

from switch.domain.registry.events import TerminalChanged


def _change_terminal(world, **changes):
    terminal = world.registry.find_terminal("demo", "00000001")
    world.registry.apply(100, TerminalChanged(terminal=replace(terminal, **changes)))


def test_a_terminal_without_a_key_is_told_so(world, make_message):
    _change_terminal(world, mak=None)
    asked = world.send(make_message())
    assert world.remark(asked).startswith("terminal-without-key")
    assert world.sent == []


def test_an_unknown_terminal_is_refused_before_its_mac_is_looked_at(world, make_message):
    asked = world.send(make_message(terminal_id="99999999", wrong_mac=True))
    assert world.answers(asked) == ["97"]


def test_a_terminal_whose_profile_knows_no_mac_needs_none(world, make_message):
    _change_terminal(world, mac_algorithm="none", mak=None)
    world.send(make_message(wrong_mac=True))
    assert world.sent_kinds() == ["0200"]


def test_a_message_whose_minute_is_over_is_recorded_as_not_sent_and_left_to_its_repeat(
    world, make_message
):
    message = make_message()
    asked = world.send(message, acknowledged=False)
    world.restart()
    world.keys.minute_keys.destroy_expired(world.now.wall_ms + 600_000)
    world.deliver(world.inbound[0])
    assert world.answers(asked) == []
    [record] = world.journal
    assert (record.inbound_offset, record.events[0].answer.reason) == (0, "request-stale")


def test_missing_elements_are_named_with_number_and_name(world, make_message):
    asked = world.send(make_message(amount_transaction=""))
    assert world.answers(asked) == ["30"]
    assert "DE 4 amount_transaction" in world.remark(asked)


def test_a_kind_of_message_that_is_not_supported_is_answered_40(world, make_message):
    asked = world.send(make_message(mti="0320"))
    assert world.answers(asked) == ["40"]
