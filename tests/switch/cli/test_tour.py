"""The whole tour, with real processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from click.testing import CliRunner

from switch.cli.main import main
from switch.cli.tour import Teller

pytestmark = pytest.mark.process
DEADLINE_S = 90


@pytest.fixture
def folder():
    """Make a place whose name is short enough for PostgreSQL's socket."""
    with tempfile.TemporaryDirectory(prefix="t-") as name:
        yield Path(name)


def start_tour(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "switch", "tour", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder)},
        text=True,
    )


def list_processes(folder):
    """Find processes that work in the tour's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if os.fsencode(folder) in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def list_topics(bootstrap):
    async def ask():
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            return await admin.list_topics()
        finally:
            await admin.close()

    return asyncio.run(ask())


def check_tour(report):
    assert report["is_good"], json.dumps(report, indent=1, ensure_ascii=False)
    assert [step["verdict"] for step in report["steps"]] == [
        *["one debit"] * 4,
        *["a debit and its return"] * 2,
        "no debit",
    ]
    codes = [step["outcomes"][-1]["response_code"] for step in report["steps"]]
    assert codes == ["00", "00", "94", "00", "98", "98", "03"]
    claims = [line for line in report["steps"][5]["journal"] if "claimed" in line["tag"]]
    assert len(claims) == 1
    for step in report["steps"]:
        assert step["journal"]
        assert step["receipt"]
        assert not step["complaints"]


def test_the_tour_is_told_in_order_and_its_records_come_out_the_same(folder):
    with start_tour(folder, "--format", "json", "--keep") as running:
        out, said = running.communicate(timeout=DEADLINE_S)
    assert running.returncode == 0, said + out
    report = json.loads(out)
    check_tour(report)
    assert "kill -9" in said
    assert list_processes(folder) == []
    [kept] = folder.iterdir()
    assert str(kept) in said
    data = ["--data", str(kept / "data")]
    replayed = CliRunner().invoke(main, ["replay", "--all", *data])
    assert replayed.exit_code == 0, replayed.output
    for step in report["steps"]:
        assert CliRunner().invoke(main, ["replay", step["rrn"], *data]).exit_code == 0


@pytest.mark.kafka
def test_the_same_story_is_true_on_kafka(folder, kafka_bootstrap):
    url = f"kafka://{kafka_bootstrap}"
    with start_tour(folder, "--format", "json", "--log", url) as running:
        out, said = running.communicate(timeout=DEADLINE_S)
    assert running.returncode == 0, said + out
    report = json.loads(out)
    assert report["log"] == "kafka"
    check_tour(report)
    assert list(folder.iterdir()) == []
    assert list_processes(folder) == []
    assert [name for name in list_topics(kafka_bootstrap) if "tour" in name] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_tour_leaves_nothing_behind(folder, number):
    with start_tour(folder) as running:
        for line in running.stderr:
            if "sale" in line:
                break
        running.send_signal(number)
        running.communicate(timeout=DEADLINE_S)
    assert running.returncode != 0
    assert list(folder.iterdir()) == []
    assert list_processes(folder) == []


def test_in_a_pipe_it_says_what_it_does_line_by_line(capsys):
    teller = Teller(None)
    teller.say("waiting for the return")
    with teller.silent():
        pass
    assert capsys.readouterr().err == "... waiting for the return\n"
