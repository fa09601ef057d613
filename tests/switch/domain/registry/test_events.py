import msgspec
import pytest

from switch.domain.registry.events import EntityEvent, RegistryEvent, RegistryLoaded

CLASSES = (*EntityEvent.__args__, RegistryLoaded)


@pytest.mark.parametrize("event_type", CLASSES)
def test_every_tag_is_written_by_hand_in_one_form(event_type):
    config = event_type.__struct_config__
    assert config.tag.endswith(".v1")
    assert config.tag.replace("-", "").removesuffix(".v1") == event_type.__name__.lower()
    assert (config.tag_field, config.frozen, config.omit_defaults) == ("type", True, True)


def test_no_two_events_share_a_tag():
    assert len({each.__struct_config__.tag for each in CLASSES}) == len(CLASSES)


def test_an_unknown_tag_is_an_error_not_a_guess():
    with pytest.raises(msgspec.ValidationError, match=r"agent-vanished\.v1"):
        msgspec.json.decode(b'{"type":"agent-vanished.v1"}', type=RegistryEvent)
