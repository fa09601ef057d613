import contextlib
import json
import os
import subprocess
import sys

import pytest

from switch.adapters.data_folder import (
    DataFolderForeign,
    DataFolderHeld,
    find_last_command,
    lock_data_folder,
    name_owner,
)

HOLDER = """
import sys
from pathlib import Path
from switch.adapters.data_folder import lock_data_folder
with lock_data_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


def test_a_new_folder_is_made_private_and_marked(folder):
    with lock_data_folder(folder / "deep"):
        marker = json.loads((folder / "deep/instance.json").read_text())
    assert marker["program"] == "payment-switch"
    assert (folder / "deep").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_ours_is_taken_again_and_its_marker_kept(folder):
    with lock_data_folder(folder):
        marker = (folder / "instance.json").read_bytes()
    (folder / "log.db").write_bytes(b"x")
    with lock_data_folder(folder):
        assert (folder / "instance.json").read_bytes() == marker


def test_the_second_is_told_who_holds_it(folder):
    with lock_data_folder(folder):
        with (
            pytest.raises(DataFolderHeld, match=rf"in use by process {os.getpid()} \(.*since 20"),
            lock_data_folder(folder),
        ):
            pass
        holder = json.loads((folder / "switch.lock").read_text())
        assert holder["command"] == " ".join(sys.argv)


@pytest.mark.process
def test_another_process_is_refused_until_the_holder_is_gone_even_by_kill_9(folder):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DataFolderHeld, match=f"process {holder.pid}"), lock_data_folder(folder):
            pass
        holder.kill()
    with lock_data_folder(folder):
        pass


@pytest.mark.process
def test_a_child_that_outlives_the_holder_does_not_keep_the_lock(folder):
    with contextlib.ExitStack() as stack:
        with lock_data_folder(folder):
            child = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", "print('up', flush=True); input()"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    close_fds=False,
                )
            )
            assert child.stdout.readline() == b"up\n"
        with lock_data_folder(folder):
            assert child.poll() is None
        child.communicate(b"\n")


@pytest.mark.parametrize("name", ["thesis.doc", ".hidden", "log.db"])
def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(folder, name):
    folder.mkdir()
    (folder / name).write_text("precious")
    with (
        pytest.raises(DataFolderForeign, match=rf"it holds {name}.*--data"),
        lock_data_folder(folder),
    ):
        pass
    assert [path.name for path in folder.iterdir()] == [name]


def test_an_empty_mount_point_is_no_foreign_folder(folder):
    (folder / "lost+found").mkdir(parents=True)
    with lock_data_folder(folder):
        pass


def test_what_a_crash_at_the_first_start_left_is_no_foreign_folder(folder):
    folder.mkdir()
    (folder / "switch.lock").touch()
    (folder / "instance.json.new").touch()
    with lock_data_folder(folder):
        pass


@pytest.mark.parametrize("text", ["{}", "[]", "not json", '{"program": "other", "format": 1}'])
def test_a_marker_of_another_program_is_refused(folder, text):
    folder.mkdir()
    (folder / "instance.json").write_text(text)
    with (
        pytest.raises(DataFolderForeign, match="was not written by the switch"),
        lock_data_folder(folder),
    ):
        pass


def test_a_folder_of_another_version_is_refused(folder):
    with lock_data_folder(folder):
        pass
    (folder / "instance.json").write_text('{"program": "payment-switch", "format": 99}')
    with pytest.raises(DataFolderForeign, match="folder format 99"), lock_data_folder(folder):
        pass


def test_a_file_in_the_folders_place_is_named(folder):
    folder.write_text("a file")
    with pytest.raises(DataFolderForeign, match=f"cannot use {folder}"), lock_data_folder(folder):
        pass


def test_who_held_a_folder_last_is_known_by_its_command(folder, monkeypatch):
    assert find_last_command(folder) == ""
    monkeypatch.setattr("sys.argv", ["/opt/bin/switch", "gateway", "--data", "/d"])
    with lock_data_folder(folder):
        assert find_last_command(folder) == "switch gateway --data /d"
    assert find_last_command(folder) == "switch gateway --data /d"


def test_its_owner_has_one_name_through_every_restart_and_another_in_another_folder(tmp_path):
    names = []
    for folder in (tmp_path / "a", tmp_path / "a", tmp_path / "b"):
        with lock_data_folder(folder):
            names.append(name_owner(folder))
    assert names[0] == names[1] != names[2]


def test_a_folder_made_before_owners_had_names_has_a_name_too(folder):
    with lock_data_folder(folder):
        marker = folder / "instance.json"
        content = json.loads(marker.read_text())
        del content["id"]
        marker.write_text(json.dumps(content))
        assert name_owner(folder) == name_owner(folder)
