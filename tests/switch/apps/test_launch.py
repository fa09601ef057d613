import asyncio
import errno
import os
import signal
import socket
from pathlib import Path

import pytest

from switch.adapters.data_folder import lock_data_folder
from switch.apps.addresses import bound_address, read_addresses, write_addresses
from switch.apps.launch import Listener, StartRefused, find_keys_directory, run_process
from switch.apps.settings import SecuritySettings, Settings
from switch.apps.settings_sources import SettingsError
from switch.eventlog.port import LogSettingWrong, LogUnavailable
from switch.security.keystore import KeyStoreFault

DEADLINE_S = 60.0
HTTP = Listener("http", "http.address", "127.0.0.1:0")


class Program:
    """A program that does as told, and remembers how far it came."""

    def __init__(self, fault=None, failure=None):
        self.steps = []
        self.fault = fault
        self.failure = failure
        self.started = asyncio.Event()
        self.bound = {}

    async def start(self, bound):
        self.bound = bound
        self.steps.append("start")
        if self.fault is not None:
            raise self.fault
        failed = asyncio.get_running_loop().create_future()
        if self.failure is not None:
            failed.set_exception(self.failure)
        self.started.set()
        return failed

    async def stop(self):
        self.steps.append("stop")

    async def run(self, folder, *listeners):
        await asyncio.wait_for(
            run_process(
                folder,
                listeners or [HTTP],
                start=self.start,
                stop=self.stop,
                say_stopping=lambda: self.steps.append("say"),
            ),
            DEADLINE_S,
        )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_what_was_started_and_removes_the_addresses(tmp_path, number):
    program = Program()
    running = asyncio.create_task(program.run(tmp_path))
    await asyncio.wait_for(program.started.wait(), DEADLINE_S)
    write_addresses(tmp_path, {"http": bound_address(program.bound["http"])})
    os.kill(os.getpid(), number)
    await running
    assert program.steps == ["start", "say", "stop"]
    assert read_addresses(tmp_path) is None
    with lock_data_folder(tmp_path):
        pass


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (SettingsError("no address"), "setting", "no address"),
        (LogSettingWrong("kafka://h names no log"), "setting", "names no log"),
        (LogUnavailable("no broker"), "fault", "no broker"),
        (KeyStoreFault("other keys"), "fault", "other keys"),
        (OSError(errno.ENOSPC, "No space left"), "fault", "is full"),
        (OSError(errno.EIO, "I/O error"), "fault", "I/O error"),
    ],
)
async def test_a_start_that_fails_is_refused_with_its_reason_and_stopped(
    tmp_path, fault, kind, words
):
    program = Program(fault)
    with pytest.raises(StartRefused, match=words) as refused:
        await program.run(tmp_path)
    assert refused.value.kind == kind
    assert program.steps == ["start", "stop"]


async def test_what_is_found_later_ends_the_process_too(tmp_path):
    program = Program(failure=KeyStoreFault("the keys of another log"))
    with pytest.raises(StartRefused, match="of another log"):
        await program.run(tmp_path)
    assert program.steps == ["start", "stop"]


async def test_a_busy_port_a_wrong_address_and_a_folder_in_use_are_told_apart(tmp_path):
    program = Program()
    with socket.create_server(("127.0.0.1", 0)) as other:
        busy = Listener("http", "http.address", bound_address(other))
        with pytest.raises(StartRefused, match="SWITCH__HTTP__ADDRESS") as refused:
            await program.run(tmp_path, busy)
        assert refused.value.kind == "in-use"
    with pytest.raises(StartRefused) as refused:
        await program.run(tmp_path, Listener("http", "http.address", "nonsense"))
    assert refused.value.kind == "setting"
    with lock_data_folder(tmp_path), pytest.raises(StartRefused, match="in use") as refused:
        await program.run(tmp_path)
    assert refused.value.kind == "in-use"
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(StartRefused, match=r"cat\.jpg") as refused:
        await program.run(tmp_path / "photos")
    assert refused.value.kind == "foreign-folder"
    assert program.steps == []


def test_keys_are_in_the_data_folder_unless_a_setting_names_another():
    shared = Settings(security=SecuritySettings(keys_directory="/keys"))
    assert find_keys_directory(Settings(), Path("/data")) == Path("/data/keys")
    assert find_keys_directory(shared, Path("/data")) == Path("/keys")


def test_keys_in_a_file_are_a_wrong_setting(tmp_path):
    (tmp_path / "keys").touch()
    named = Settings(security=SecuritySettings(keys_directory=str(tmp_path / "keys")))
    with pytest.raises(SettingsError, match=r"security\.keys_directory: .* is a file"):
        find_keys_directory(named, tmp_path)
