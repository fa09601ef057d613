"""A POS asks for three things; a save is one of them."""

from switch.terminal.actions import SaveState, SendFrame


def test_two_saves_are_equal_and_a_send_is_another_thing() -> None:
    assert SaveState() == SaveState()
    assert type(SendFrame(b"")) is not type(SaveState())
