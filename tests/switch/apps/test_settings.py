import msgspec
import pytest

from switch.apps.settings import DEMO_OVERRIDES, Settings
from switch.apps.settings_sources import check_order, list_fields, load_settings

UNITS = {"days", "ms", "minutes", "bytes", "count", "max", "min", "minor", "ordinal", "factor"}


def test_the_defaults_are_those_of_the_rules() -> None:
    times = Settings().times
    assert (times.terminal_deadline_ms, times.issuer_timeout_ms) == (45_000, 40_000)
    assert (times.send_window_ms, times.clock_skew_max_ms) == (500, 250)
    check_order(Settings())


def test_the_demo_deadlines_are_those_of_the_rules() -> None:
    times = load_settings(is_demo=True).settings.times
    assert (times.terminal_deadline_ms, times.issuer_timeout_ms) == (5_000, 3_000)


def test_every_setting_says_what_it_is_for() -> None:
    for field in list_fields():
        assert len(field.description) > 20, field.name
        assert field.description.endswith("."), field.name


def test_every_number_ends_with_its_unit() -> None:
    for field in list_fields():
        if field.type is int:
            assert field.name.replace(".", "_").rpartition("_")[2] in UNITS, field.name


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().times.send_window_ms = 1  # type: ignore[misc]


def test_every_demo_override_is_a_setting() -> None:
    assert set(DEMO_OVERRIDES) <= {field.name for field in list_fields()}


def test_minute_keys_live_as_long_as_a_request_may_be_sent() -> None:
    assert Settings().minute_key_lifetime_ms == 45_250
    longer = msgspec.structs.replace(
        Settings(), security=msgspec.convert({"minute_key_lifetime_ms": 60_000}, SecurityType)
    )
    assert longer.minute_key_lifetime_ms == 60_000


SecurityType = type(Settings().security)
