import importlib
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import switch
from switch.cli.main import SUBCOMMANDS, main


def test_help_lists_every_subcommand_without_importing_any() -> None:
    script = (
        "import sys\n"
        "from switch.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'asyncpg', 'aiokafka', 'msgspec', 'uvicorn', 'starlette', 'cryptography'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in SUBCOMMANDS:
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_each_subcommand_can_be_imported_and_helps(name: str) -> None:
    module, attribute, _ = SUBCOMMANDS[name]
    command = getattr(importlib.import_module(module), attribute)
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_no_list_of_commands_is_cut_short(name: str) -> None:
    module, attribute, _ = SUBCOMMANDS[name]
    shown = CliRunner().invoke(getattr(importlib.import_module(module), attribute), ["--help"])
    assert "..." not in shown.output.partition("Commands:")[2]
    assert "\\b" not in shown.output


def test_an_unknown_subcommand_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["frobnicate"]).exit_code == 2


def test_the_version_is_printed() -> None:
    shown = CliRunner().invoke(main, ["--version"]).output
    assert shown == f"switch {switch.__version__}\n"


def test_ctrl_c_before_there_is_anything_to_stop_ends_without_a_word() -> None:
    script = (
        "import click, os, signal\n"
        "import switch.cli.version\n"
        "from switch.cli.main import main\n"
        "def imported_slowly():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    raise AssertionError('it went on')\n"
        "switch.cli.version.version = click.Command('version', callback=imported_slowly)\n"
        "main(['version'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_ctrl_c_while_the_command_is_still_being_imported_ends_it_without_a_word() -> None:
    script = (
        "import importlib.abc, os, signal, sys\n"
        "from switch.__main__ import run\n"
        "class Slow(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'switch.cli.main':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "            raise AssertionError('it went on')\n"
        "sys.meta_path.insert(0, Slow())\n"
        "run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_the_installed_command_and_the_package_run_the_same(tmp_path: Path) -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"switch": "switch.__main__:run"}
    done = subprocess.run(
        [sys.executable, "-m", "switch", "status", "--data", str(tmp_path / "none")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")


def test_a_command_leaves_ctrl_c_as_it_found_it() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert CliRunner().invoke(main, ["version"]).exit_code == 0
    assert signal.getsignal(signal.SIGINT) is before
