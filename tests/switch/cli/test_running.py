from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from switch.apps.launch import StartRefused
from switch.cli.failure import CommandFailure
from switch.cli.running import RunOptions, make_say, read_settings, run_options, run_to_end


def options(folder, **changes):
    return RunOptions(folder, demo=False, file=None, log_url=None, single_broker=False)._replace(
        **changes
    )


def test_options_come_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SWITCH__LOG__URL", "kafka://elsewhere:1")
    named = options(tmp_path, log_url="kafka://here:1", single_broker=True)
    settings = read_settings(named)
    assert (settings.log.url, settings.log.single_broker) == ("kafka://here:1", True)
    settings = read_settings(options(tmp_path))
    assert (settings.log.url, settings.log.single_broker) == ("kafka://elsewhere:1", False)


def test_a_wrong_setting_is_a_usage_failure(tmp_path, monkeypatch):
    monkeypatch.setenv("SWITCH__HTTP__ADRESS", "x")
    with pytest.raises(CommandFailure, match=r"http\.address") as failure:
        read_settings(options(tmp_path))
    assert failure.value.exit_code == 2


@pytest.mark.parametrize(
    ("kind", "exit_code"), [("setting", 2), ("in-use", 4), ("foreign-folder", 5), ("fault", 6)]
)
def test_each_refusal_has_its_exit_code(tmp_path, kind, exit_code):
    async def refuse():
        raise StartRefused(kind, "no")

    with pytest.raises(CommandFailure, match="no") as failure:
        run_to_end(read_settings(options(tmp_path)), refuse)
    assert failure.value.exit_code == exit_code


def test_every_process_takes_the_same_options():
    taken = []

    @click.command()
    @run_options
    def command(**values):
        taken.append(RunOptions(**values))

    result = CliRunner().invoke(command, ["--data", "d", "--demo", "--single-broker"])
    assert result.exit_code == 0, result.output
    assert taken == [options(Path("d"), demo=True, single_broker=True)]
    assert CliRunner().invoke(command, []).exit_code == 2


def test_what_is_said_is_preceded_by_the_seconds(capsys):
    make_say()("hello")
    assert capsys.readouterr().out == "   0.0 s  hello\n"
