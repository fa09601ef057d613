import os
import socket
import stat
import subprocess
import sys

from infra.kafka import machine


def test_missing_tools_are_named_with_the_way_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.explain_missing(["java", "mvn"]) == [
        f"{name} is missing: {machine.TOOLS[name]}" for name in ("java", "mvn")
    ]
    assert "apt install maven" in machine.TOOLS["mvn"]


def test_ports_are_free_and_all_different():
    ports = machine.find_free_ports(20)
    assert len(set(ports)) == 20
    assert all(machine.is_port_free(port) for port in ports)


def test_who_asks_next_gets_others_in_another_process_too():
    first = machine.find_free_ports(30)
    code = "from infra.kafka import machine; print(*machine.find_free_ports(30))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {*first} & {int(word) for word in said.stdout.split()}
    assert not {*first} & {*machine.find_free_ports(30)}


def test_a_port_that_somebody_listens_on_is_not_free():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not machine.is_port_free(taken.getsockname()[1])


def test_a_process_is_known_by_when_it_started_until_it_is_gone():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = machine.find_process_start(child.pid)
    assert started is not None
    assert started == machine.find_process_start(child.pid)
    assert started != machine.find_process_start(os.getpid())
    child.communicate(b"\n")
    assert machine.find_process_start(child.pid) is None


def test_a_secret_is_for_its_owner_alone(tmp_path):
    machine.write_secret(tmp_path / "secret", "first")
    machine.write_secret(tmp_path / "secret", "2nd")
    assert (tmp_path / "secret").read_text() == "2nd"
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_what_is_fetched_lies_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert machine.cache_folder() == tmp_path / "payment-switch"


def test_one_at_a_time_holds_a_lock(tmp_path):
    program = (
        "import pathlib, sys; from infra.kafka.machine import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('in')"
    )
    with machine.locked(tmp_path / "lock"):
        other = subprocess.Popen(
            [sys.executable, "-c", program, tmp_path / "lock"], stdout=subprocess.PIPE, text=True
        )
        assert other.poll() is None
    assert other.communicate(timeout=30)[0] == "in\n"
