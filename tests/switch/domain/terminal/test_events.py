import typing

import pytest

from switch.domain.payment.events import Event
from switch.domain.terminal.events import TerminalEvent
from switch.eventlog.journal import JournalEvent

EVENTS = typing.get_args(TerminalEvent)


def test_every_event_is_in_the_union_that_readers_decode():
    ours = {kind for kind in Event.__subclasses__() if kind.__module__.endswith("terminal.events")}
    assert set(EVENTS) == ours
    assert ours <= set(typing.get_args(JournalEvent))


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_a_tag_is_written_by_hand_and_has_a_version(kind):
    config = kind.__struct_config__
    assert config.tag_field == "type"
    assert config.tag.endswith(".v1")
    assert config.frozen
