import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.kafka import launcher

ROOT = Path(__file__).resolve().parents[3]


def test_status_and_stop_of_a_broker_that_never_ran(tmp_path, capsys):
    assert launcher.main(["status", "--dir", str(tmp_path)]) == 3
    assert capsys.readouterr().out == "not running\n"
    assert launcher.main(["stop", "--dir", str(tmp_path)]) == 0
    assert not capsys.readouterr().out


def test_clean_leaves_a_folder_alone_that_is_not_the_brokers(tmp_path):
    (tmp_path / "precious").write_text("x")
    assert launcher.main(["clean", "--dir", str(tmp_path)]) == 0
    assert (tmp_path / "precious").exists()


def test_an_authorizer_alone_is_refused_in_words(tmp_path, capsys):
    assert launcher.main(["start", "--dir", str(tmp_path), "--authorizer"]) == 1
    assert "--tls or --sasl" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("kafka_libs")
@pytest.mark.kafka
def test_a_broker_starts_is_shown_and_goes(tmp_path, capsys):
    folder = ["--dir", str(tmp_path / "broker")]
    try:
        assert launcher.main(["start", *folder, "--port", "0"]) == 0
        told = capsys.readouterr()
        url = told.out.strip()
        assert f"switch up --demo --data data-kafka --log {url}\n" in told.err
        assert "SWITCH__LOG__SINGLE_BROKER=true" in told.err
        assert launcher.main(["status", *folder]) == 0
        assert capsys.readouterr().out.startswith(
            f"running at {url.removeprefix('kafka://')}, process "
        )
        assert launcher.main(["stop", *folder]) == 0
        assert capsys.readouterr().out.startswith(f"stopped: {url}; its records stay in ")
        assert launcher.main(["status", *folder]) == 3
        assert launcher.main(["start", *folder, "--port", "0"]) == 0
        assert url in capsys.readouterr().out
    finally:
        assert launcher.main(["clean", *folder]) == 0
    assert not (tmp_path / "broker").exists()


@pytest.mark.kafka
@pytest.mark.process
@pytest.mark.usefixtures("kafka_libs")
def test_a_served_broker_ends_with_the_process_it_serves(tmp_path):
    folder = tmp_path / "broker"
    served = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    keeper = start_keeper(folder, served.pid)
    try:
        wait_until((folder / "ready").exists)
    finally:
        served.communicate(b"\n")
    assert keeper.wait(90) == 0
    assert not folder.exists()


@pytest.mark.kafka
@pytest.mark.process
@pytest.mark.usefixtures("kafka_libs")
def test_a_served_broker_ends_when_told_to(tmp_path):
    folder = tmp_path / "broker"
    keeper = start_keeper(folder, os.getpid())
    wait_until((folder / "ready").exists)
    keeper.send_signal(signal.SIGTERM)
    assert keeper.wait(90) == 0
    assert not folder.exists()


def start_keeper(folder, pid) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "infra.kafka.launcher", "serve", "--dir", str(folder)]
    command += ["--port", "0", "--while-pid", str(pid)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def wait_until(holds) -> None:
    give_up_at = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
