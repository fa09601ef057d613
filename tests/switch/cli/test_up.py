import shlex
from pathlib import Path

from click.testing import CliRunner

from switch.apps.demo import DemoTerminal, DemoWorld
from switch.apps.up import Ready
from switch.cli.up import _show_ready, up

WORLD = DemoWorld(
    document=b"",
    acquirer="acq",
    link="demo",
    api_key="sk_demo",
    terminals=(
        DemoTerminal(
            acquirer="acq",
            terminal_id="00000001",
            profile="unionpay-pos",
            merchant_id="898110154110001",
            batch="000001",
            mac_algorithm="none",
            mak=b"",
        ),
    ),
)
ADDRESSES = {
    "unionpay-pos": "127.0.0.1:8583",
    "iso1987-ascii": "127.0.0.1:8584",
    "http": "127.0.0.1:8080",
    "issuer": "127.0.0.1:8590",
    "log": "sqlite:///data/log.db",
    "pid": 1,
}


def test_the_demo_is_announced_with_addresses_a_key_and_three_commands(capsys):
    _show_ready(Ready(ADDRESSES, Path("/data"), WORLD, 1.2))
    shown = capsys.readouterr().out
    for text in (
        "127.0.0.1:8583",
        "http://127.0.0.1:8080/",
        "/data",
        "sk_demo",
        "ready after 1.2 s",
    ):
        assert text in shown
    assert shown.count("pos sale --amount") == 2
    assert "curl -s http://127.0.0.1:8080/v1/payments" in shown
    assert "Ctrl-C" in shown


def test_a_data_folder_with_blanks_is_quoted_for_the_shell(capsys):
    _show_ready(Ready(ADDRESSES, Path("/my data/it's"), WORLD, 1.2))
    shown = capsys.readouterr().out
    command = next(line for line in shown.splitlines() if "--amount 12.34" in line)
    assert shlex.split(command)[-1] == "/my data/it's"


def test_without_demo_no_key_and_no_command_is_shown(capsys):
    _show_ready(Ready(ADDRESSES, Path("/data"), None, 1.2))
    shown = capsys.readouterr().out
    assert "API key" not in shown
    assert "curl" not in shown


def test_a_data_folder_must_be_named():
    result = CliRunner().invoke(up, [])
    assert result.exit_code == 2
    assert "--data" in result.output


def test_settings_that_cannot_work_end_with_exit_code_2(tmp_path):
    result = CliRunner().invoke(
        up,
        ["--data", str(tmp_path / "data")],
        env={"SWITCH__TIMES__ISSUER_TIMEOUT_MS": "50000"},
    )
    assert result.exit_code == 2
    assert "times.terminal_deadline_ms" in result.output
