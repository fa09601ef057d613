import json

import pytest
from click.testing import CliRunner

from switch.cli.config import config


def test_show_prints_values_with_their_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCH__TIMES__SEND_WINDOW_MS", "321")
    result = CliRunner().invoke(config, ["show"])
    assert result.exit_code == 0
    [line] = [line for line in result.output.splitlines() if "times.send_window_ms" in line]
    assert line.split() == ["times.send_window_ms", "321", "SWITCH__TIMES__SEND_WINDOW_MS"]


def test_show_hides_secrets_in_both_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCH__PROJECTOR__DSN", "postgres://me:sesame@db/switch")
    for style in ("table", "json"):
        result = CliRunner().invoke(config, ["show", "--format", style])
        assert "sesame" not in result.output
        assert "(hidden)" in result.output


def test_json_can_be_read_by_machines() -> None:
    result = CliRunner().invoke(config, ["show", "--demo", "--format", "json"])
    shown = json.loads(result.output)
    assert shown["times.terminal_deadline_ms"] == {"value": 5000, "origin": "demo"}


def test_an_unknown_setting_ends_with_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCH__TIMES__SENDWINDOW_MS", "321")
    result = CliRunner().invoke(config, ["show"])
    assert result.exit_code == 2
    assert "times.send_window_ms" in result.output


def test_document_prints_the_page() -> None:
    assert "# Configuration" in CliRunner().invoke(config, ["document"]).output
