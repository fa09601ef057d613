import json
import subprocess
import sys

import pytest

from loadtest.instance import (
    Instance,
    InstanceError,
    NotLoopback,
    find_instance,
    parse_loopback,
    raise_open_files_limit,
)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("127.0.0.1:8583", ("127.0.0.1", 8583)),
        ("localhost:1", ("127.0.0.1", 1)),
        ("[::1]:99", ("::1", 99)),
        ("127.9.9.9:5", ("127.9.9.9", 5)),
    ],
)
def test_this_machine_is_accepted(text, want):
    assert parse_loopback(text) == want


@pytest.mark.parametrize("text", ["10.0.0.1:8583", "example.org:80", "0.0.0.0:1", "[::]:1", ":1"])
def test_any_other_machine_is_refused(text):
    with pytest.raises(NotLoopback):
        parse_loopback(text)


@pytest.mark.parametrize("text", ["127.0.0.1", "", "127.0.0.1:port"])
def test_an_address_has_a_port(text):
    with pytest.raises(InstanceError, match="port"):
        parse_loopback(text)


def test_a_running_instance_is_found_by_its_folder(tmp_path):
    content = {"unionpay-pos": "127.0.0.1:8583", "http": "8.8.8.8:80", "pid": 1}
    (tmp_path / "addresses.json").write_text(json.dumps(content))
    instance = find_instance(tmp_path)
    assert instance.address_of("unionpay-pos") == ("127.0.0.1", 8583)
    assert instance.pid is None
    with pytest.raises(NotLoopback):
        instance.address_of("http")
    with pytest.raises(InstanceError, match="no listener"):
        instance.address_of("issuer")


@pytest.mark.parametrize("content", [None, "", "[]"])
def test_a_folder_without_a_running_instance_is_told_how_to_start_one(tmp_path, content):
    if content is not None:
        (tmp_path / "addresses.json").write_text(content)
    with pytest.raises(InstanceError, match="switch up"):
        find_instance(tmp_path)


def test_an_own_process_is_stopped_and_no_other(tmp_path):
    command = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(600)"]
    mine = subprocess.Popen(command, stdout=subprocess.PIPE)
    mine.stdout.readline()
    with mine.stdout, Instance(tmp_path, {}, mine) as instance:
        assert instance.pid == mine.pid
    assert mine.returncode is not None
    Instance(tmp_path, {}).stop()
    instance.kill()


def test_the_limit_of_open_files_is_never_lowered():
    before = raise_open_files_limit(1)
    assert raise_open_files_limit(before) == before
