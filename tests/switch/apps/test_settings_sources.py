from pathlib import Path

import msgspec
import pytest

from switch.apps.settings import Settings
from switch.apps.settings_sources import (
    SettingsError,
    check_order,
    list_fields,
    load_settings,
    read_value,
    shown_value,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "switch.toml"
    path.write_text("[times]\nissuer_timeout_ms = 30000\nsend_window_ms = 400\n")
    return path


def test_a_later_source_wins_and_is_named(file: Path) -> None:
    effective = load_settings(
        file=file,
        environment={"SWITCH__TIMES__SEND_WINDOW_MS": "300", "PATH": "/bin"},
        options={"http.address": "127.0.0.1:0"},
    )
    assert effective.settings.times.issuer_timeout_ms == 30_000
    assert effective.settings.times.send_window_ms == 300
    assert effective.settings.http.address == "127.0.0.1:0"
    assert effective.origins["times.issuer_timeout_ms"] == str(file)
    assert effective.origins["times.send_window_ms"] == "SWITCH__TIMES__SEND_WINDOW_MS"
    assert effective.origins["http.address"] == "command line"
    assert effective.origins["times.terminal_deadline_ms"] == "default"


def test_the_file_outranks_the_demo(file: Path) -> None:
    effective = load_settings(
        file=file,
        options={"times.terminal_deadline_ms": 60_000, "times.issuer_delay_max_ms": 60_000},
        is_demo=True,
    )
    assert effective.settings.times.issuer_timeout_ms == 30_000
    assert effective.origins["handler.reversal_repeat_max_ms"] == "demo"


def test_an_unknown_variable_stops_the_start_with_the_nearest_name() -> None:
    with pytest.raises(
        SettingsError, match=r"times\.isuer_timeout_ms.*mean times\.issuer_timeout_ms"
    ):
        load_settings(environment={"SWITCH__TIMES__ISUER_TIMEOUT_MS": "1"})


def test_an_unknown_key_in_the_file_is_named_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("[http]\nadress = 'x'\n")
    with pytest.raises(
        SettingsError, match=r"unknown setting http\.adress in .*wrong\.toml.*http\.address"
    ):
        load_settings(file=path)


def test_a_key_without_its_section_finds_the_section(tmp_path: Path) -> None:
    path = tmp_path / "flat.toml"
    path.write_text("send_window_ms = 3\n")
    with pytest.raises(SettingsError, match=r"did you mean times\.send_window_ms"):
        load_settings(file=path)


@pytest.mark.parametrize(
    ("variable", "text", "complaint"),
    [
        ("SWITCH__TIMES__SEND_WINDOW_MS", "soon", r"times\.send_window_ms in SWITCH__.*'soon'"),
        ("SWITCH__TIMES__SEND_WINDOW_MS", "1", r"times\.send_window_ms in SWITCH__.*>= 10"),
        ("SWITCH__RUNTIME__UVLOOP", "perhaps", r"runtime\.uvloop"),
        ("SWITCH__TELEMETRY__LOG_FORMAT", "xml", r"telemetry\.log_format"),
        ("SWITCH__ISSUER_LINK__LINKS", "demo", r"name=value"),
        ("SWITCH__GATEWAY__ORDINAL", "16", r"gateway\.ordinal in SWITCH__GATEWAY__ORDINAL.*<= 15"),
    ],
)
def test_a_value_that_does_not_fit_names_its_setting(
    variable: str, text: str, complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint):
        load_settings(environment={variable: text})


@pytest.mark.parametrize(
    ("variable", "text", "complaint"),
    [
        ("SWITCH__OWNERSHIP__PROPOSER", "foo", "'foo' is none of .* it takes: group or static"),
        ("SWITCH__TELEMETRY__LOG_LEVEL", "x", "takes: debug, info, warning or error"),
        ("SWITCH__LOG__SASL_MECHANISM", "PLAIN", "takes: SCRAM-SHA-256 or SCRAM-SHA-512"),
        ("SWITCH__OWNERSHIP__PARTITIONS", "all", "'all' does not fit. .* as 0-3,7"),
    ],
)
def test_whoever_writes_a_wrong_word_is_told_the_right_ones(
    variable: str, text: str, complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint) as refused:
        load_settings(environment={variable: text})
    assert "regex" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("ca_file", "plaintext"),
        ("certificate_file", "sasl_plaintext"),
        ("key_file", "plaintext"),
        ("sasl_username", "ssl"),
        ("sasl_password", "plaintext"),
    ],
)
def test_a_proof_that_the_protocol_does_not_ask_for_is_refused(name: str, protocol: str) -> None:
    options = {f"log.{name}": "hunter2", "log.security_protocol": protocol}
    if protocol.startswith("sasl"):
        options |= {"log.sasl_username": "gateway", "log.sasl_password": "secret"}
    with pytest.raises(SettingsError, match=rf"log\.{name} is set.* {protocol} ") as refused:
        load_settings(options=options)
    assert "hunter2" not in str(refused.value)


def test_tables_and_switches_can_come_from_the_environment() -> None:
    settings = load_settings(
        environment={
            "SWITCH__ISSUER_LINK__LINKS": "a=127.0.0.1:1, b=127.0.0.1:2",
            "SWITCH__RUNTIME__UVLOOP": "false",
        }
    ).settings
    assert settings.issuer_link.links == {"a": "127.0.0.1:1", "b": "127.0.0.1:2"}
    assert settings.runtime.uvloop is False


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("times.issuer_timeout_ms", 44_900, "must be below times.terminal_deadline_ms"),
        ("times.issuer_delay_max_ms", 39_999, "times.issuer_delay_max_ms"),
        ("times.append_deadline_ms", 45_000, "times.append_deadline_ms"),
        ("security.minute_key_lifetime_ms", 45_000, "security.minute_key_lifetime_ms"),
        ("registry.poll_wait_ms", 1_000, "registry.poll_wait_ms"),
        ("handler.reversal_first_repeat_ms", 300_001, "handler.reversal_first_repeat_ms"),
        ("issuer_link.reconnect_delay_min_ms", 6_000, "issuer_link.reconnect_delay_min_ms"),
    ],
)
def test_an_order_that_cannot_work_stops_the_start(name: str, value: int, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        load_settings(options={name: value})


def test_the_send_window_must_end_before_the_issuer_is_given_up() -> None:
    options = {"times.issuer_timeout_ms": 400, "times.issuer_delay_max_ms": 400}
    with pytest.raises(SettingsError, match=r"times\.send_window_ms"):
        load_settings(options=options)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        load_settings(file=tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[times\n")
    with pytest.raises(SettingsError, match="not TOML"):
        load_settings(file=broken)


def test_secrets_are_not_shown() -> None:
    fields = {field.name: field for field in list_fields()}
    assert shown_value(fields["projector.dsn"], "postgres://u:p@x/y") == "(hidden)"
    assert shown_value(fields["projector.dsn"], "") == '""'
    assert "p@ss" not in shown_value(fields["log.url"], "kafka://me:p@ss@broker:9092")


def test_a_wrong_secret_is_not_printed_either() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(options={"projector.dsn": 5150})
    assert "5150" not in str(caught.value)


def test_every_field_can_be_read_by_its_name() -> None:
    settings = Settings()
    for field in list_fields():
        assert read_value(settings, field.name) == field.default
    assert msgspec.json.encode(settings)
    check_order(settings)
