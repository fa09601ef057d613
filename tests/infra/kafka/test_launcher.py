import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.kafka import launcher
from infra.kafka.launcher import KafkaLaunchError, KafkaNode

LAUNCHER = launcher.__file__


@pytest.fixture
def no_tools(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("SWITCH_KAFKA_LIBS", str(tmp_path / "libs"))


@pytest.fixture
def say_nothing():
    return lambda _line: None


@pytest.mark.usefixtures("no_tools")
def test_missing_tools_are_named_with_the_way_to_get_them(tmp_path, say_nothing):
    assert [line.split(" ")[0] for line in launcher.find_missing_tools()] == ["java", "mvn"]
    with pytest.raises(KafkaLaunchError, match="apt install maven"):
        KafkaNode(tmp_path / "broker", report=say_nothing).start()


def test_maven_is_not_needed_once_kafka_was_fetched(tmp_path, monkeypatch):
    (tmp_path / "libs").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SWITCH_KAFKA_LIBS", str(tmp_path / "libs"))
    assert [line.split(" ")[0] for line in launcher.find_missing_tools()] == ["java"]


def test_a_taken_port_is_named_before_anything_starts(tmp_path, monkeypatch, say_nothing):
    (tmp_path / "libs").mkdir()
    monkeypatch.setenv("SWITCH_KAFKA_LIBS", str(tmp_path / "libs"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(KafkaLaunchError, match=f"port {port} is taken"):
            KafkaNode(tmp_path / "broker", port=port, report=say_nothing).start()


def test_status_and_stop_of_a_broker_that_never_ran(tmp_path, capsys):
    assert launcher.main(["status", "--dir", str(tmp_path)]) == 3
    assert capsys.readouterr().out == "not running\n"
    assert launcher.main(["stop", "--dir", str(tmp_path)]) == 0


def test_a_process_that_took_over_the_id_is_not_taken_for_the_broker(tmp_path, say_nothing):
    node = KafkaNode(tmp_path, report=say_nothing)
    (tmp_path / "kafka.json").write_text(
        f'{{"pid": {os.getpid()}, "process_start": 1, "port": 1, "controller_port": 2}}'
    )
    assert node.pid is None
    node.stop()  # and this test is still running


def test_clean_leaves_a_folder_alone_that_is_not_the_brokers(tmp_path):
    (tmp_path / "precious").write_text("x")
    assert launcher.main(["clean", "--dir", str(tmp_path)]) == 0
    assert (tmp_path / "precious").exists()


@pytest.mark.kafka
def test_a_broker_starts_stops_and_starts_again_where_it_was(
    kafka_bootstrap, tmp_path, say_nothing, capsys
):
    assert kafka_bootstrap  # the tools are there and Kafka is fetched
    node = KafkaNode(tmp_path / "broker", report=say_nothing)
    node.start()
    try:
        first_pid = node.pid
        assert first_pid is not None
        node.start()
        assert node.pid == first_pid
        assert launcher.main(["status", "--dir", str(node.directory)]) == 0
        assert capsys.readouterr().out == f"running at {node.bootstrap}, process {first_pid}\n"
        node.kill()
        assert node.pid is None
        again = KafkaNode(tmp_path / "broker", report=say_nothing)
        assert again.bootstrap == node.bootstrap
        again.start()
        assert again.pid not in (None, first_pid)
    finally:
        node.remove()
    assert node.pid is None
    assert not node.directory.exists()


@pytest.mark.kafka
@pytest.mark.process
def test_a_served_broker_ends_with_the_process_it_serves(kafka_bootstrap, tmp_path):
    assert kafka_bootstrap
    folder = tmp_path / "broker"
    served = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    keeper = subprocess.Popen(
        [
            sys.executable,
            LAUNCHER,
            "serve",
            "--dir",
            str(folder),
            "--port",
            "0",
            "--while-pid",
            str(served.pid),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until((folder / "ready").exists)
    finally:
        served.communicate(b"\n")
    assert keeper.wait(30) == 0
    assert not Path(folder).exists()


@pytest.mark.kafka
@pytest.mark.process
def test_a_served_broker_ends_when_told_to(kafka_bootstrap, tmp_path):
    assert kafka_bootstrap
    folder = tmp_path / "broker"
    keeper = subprocess.Popen(
        [
            sys.executable,
            LAUNCHER,
            "serve",
            "--dir",
            str(folder),
            "--port",
            "0",
            "--while-pid",
            str(os.getpid()),
        ],
        stderr=subprocess.DEVNULL,
    )
    wait_until((folder / "ready").exists)
    keeper.send_signal(signal.SIGTERM)
    assert keeper.wait(30) == 0
    assert not folder.exists()


def serve_command(folder, pid) -> list[str]:
    command = [sys.executable, LAUNCHER, "serve", "--dir", str(folder), "--port", "0"]
    return [*command, "--while-pid", str(pid)]


def wait_until(holds) -> None:
    give_up_at = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
