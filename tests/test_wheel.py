"""The wheel works where there is no source tree: its command, its data files."""

import os
import signal
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

import switch
from tests.environment import CALM_SWITCH

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("switch", "projections", "loadtest")
LEFT_BY_TOOLS = {"__pycache__", "libs", "run"}
COMMAND_TIMEOUT_S = 120
READ_EVERY_DATA_FILE = """
import switch, projections, loadtest
from switch.codec import list_dialects, load_dialect
from switch.domain.declines import decline_of
from switch.domain.reasons import Reason
from projections.catalogue import PROJECTIONS
from projections.migrations import read_migrations
assert {"unionpay-pos", "iso1987-ascii", "iso1987-binary"} <= set(list_dialects())
for name in list_dialects():
    load_dialect(name)
for reason in Reason:
    decline_of(reason)
for name in PROJECTIONS:
    assert read_migrations(name)
print(switch.__file__)
"""


class Installed(NamedTuple):
    """A virtual environment that has the wheel and nothing of the source tree."""

    wheel: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
        return kept | CALM_SWITCH

    def run(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        program, *rest = arguments
        return run([self.folder / "bin" / program, *rest], cwd=cwd, env=self.environment)


def run(command: Sequence[str | Path], **options) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        **options,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel and install it elsewhere, without the network."""
    tmp = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    run([*pip, "wheel", *offline, "--no-build-isolation", "-w", tmp / "dist", ROOT], cwd=tmp)
    [wheel] = (tmp / "dist").glob("*.whl")
    folder = tmp / "venv"
    venv.create(folder, with_pip=False)
    run([*pip, "--python", folder / "bin/python", "install", *offline, wheel], cwd=tmp)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # What the wheel depends on is here already. Lines of this file are plain paths: the marker of
    # the editable install, a .pth file there, is not followed.
    borrowed = folder / "lib" / version / "site-packages" / "borrowed.pth"
    borrowed.write_text(sysconfig.get_path("platlib") + "\n")
    return Installed(wheel, folder)


def test_the_command_says_its_version(installed, tmp_path):
    result = installed.run("switch", "--version", cwd=tmp_path)
    assert result.stdout.strip() == f"switch {switch.__version__}"


def test_the_module_says_its_version(installed, tmp_path):
    result = installed.run("python", "-m", "switch", "version", cwd=tmp_path)
    assert switch.__version__ in result.stdout


def test_the_load_tool_starts(installed, tmp_path):
    assert "bench" in installed.run("python", "-m", "loadtest", "--help", cwd=tmp_path).stdout


def test_a_message_is_explained_with_the_tables_of_the_wheel(installed, tmp_path):
    vectors = tomllib.loads((ROOT / "tests/vectors/messages.toml").read_text(encoding="utf-8"))
    sale = next(vector for vector in vectors["message"] if vector["name"] == "sale")
    text = sale["hex"].replace(" ", "")
    result = installed.run(
        "switch", "iso", "describe", "--dialect", "unionpay-pos", text, cwd=tmp_path
    )
    assert "amount_transaction" in result.stdout
    assert "6200000000000005" not in result.stdout


def test_the_permissions_of_each_role_are_in_the_wheel(installed, tmp_path):
    module = "switch.infra.kafka.permissions"
    result = installed.run("python", "-m", module, "projector", cwd=tmp_path)
    assert "--allow-principal User:projector" in result.stdout


def test_what_runs_is_the_wheel_and_finds_its_tables(installed, tmp_path):
    result = installed.run("python", "-c", READ_EVERY_DATA_FILE, cwd=tmp_path)
    assert Path(result.stdout.strip()).is_relative_to(installed.folder)


def test_every_file_of_the_packages_is_in_the_wheel(installed):
    names = set(zipfile.ZipFile(installed.wheel).namelist())
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and not LEFT_BY_TOOLS & set(path.parts)
    }
    assert expected - names == set()
    launcher = {path.name for path in (ROOT / "infra/kafka").iterdir() if path.is_file()}
    assert {f"switch/infra/kafka/{name}" for name in launcher} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_nothing_but_the_packages_is_in_the_wheel(installed):
    names = zipfile.ZipFile(installed.wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {*PACKAGES, f"payment_switch-{switch.__version__}.dist-info"}
    assert not [name for name in names if LEFT_BY_TOOLS & set(name.split("/")[:-1])]


def wait_for_file(path: Path, process: subprocess.Popen[bytes], output: Path) -> None:
    give_up_at = time.monotonic() + COMMAND_TIMEOUT_S
    while not path.exists():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < give_up_at, output.read_text()
        time.sleep(0.05)


def test_the_demo_of_the_wheel_takes_a_payment_and_stops_when_asked(installed, tmp_path):
    output = tmp_path / "up.out"
    with output.open("wb") as stream:
        demo = subprocess.Popen(
            [installed.folder / "bin/switch", "up", "--demo", "--data", "d"],
            cwd=tmp_path,
            env=installed.environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for_file(tmp_path / "d/addresses.json", demo, output)
        sale = ("switch", "pos", "sale", "--amount", "1.00", "--data", "d")
        installed.run(*sale, cwd=tmp_path)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(COMMAND_TIMEOUT_S) == 0, output.read_text()
    finally:
        if demo.poll() is None:
            demo.kill()
            demo.wait()
