import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import msgspec
import pytest
from click.testing import CliRunner

from switch.apps.addresses import write_addresses
from switch.apps.status import ProcessStatus, merge_statuses
from switch.cli.status import choose_color, status

PARTITION = {
    "partition": 0,
    "state": "serving",
    "owner": "host-1",
    "epoch": 7,
    "claimed_at": 1_700_000_000_000,
    "inbound_position": 10,
    "inbound_lag": 3,
}


def make_switch(*, state="serving"):
    said = [
        ProcessStatus(
            name="host-1",
            roles=("gateway", "handler", "registrar"),
            version="1",
            pid=1,
            http="127.0.0.1:8080",
            at=1,
            interval_ms=1_000,
            not_ready={},
            partition_count=1,
            partitions=[PARTITION | {"state": state}],
            gateways=[{"ordinal": 3, "state": "taking", "incarnation": "03.ab"}],
            projections=[
                {"projection": "audit", "state": "running", "position": {"0": 5}, "lag_count": 0}
            ],
        )
    ]
    return msgspec.to_builtins(merge_statuses(said))


class Answerer(BaseHTTPRequestHandler):
    answer: ClassVar[dict] = {}
    seen: ClassVar[list] = []

    def do_GET(self):
        self.seen.append((self.path, self.headers.get("Authorization")))
        content = json.dumps(self.answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments):
        """Be silent."""


@pytest.fixture
def address():
    Answerer.seen.clear()
    with HTTPServer(("127.0.0.1", 0), Answerer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_switch_that_is_well_is_shown_in_tables(address, tmp_path):
    Answerer.answer = {"switch": make_switch()}
    write_addresses(tmp_path, {"http": address})
    result = CliRunner().invoke(status, ["--data", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("well:")
    assert "2023-11-14 22:13:20Z" in result.output
    assert "0:5" in result.output


def test_what_is_not_well_comes_first_and_is_exit_code_7(address, monkeypatch):
    Answerer.answer = {"switch": make_switch(state="folding")}
    monkeypatch.setenv("SWITCH_OPERATOR_KEY", "op_me")
    result = CliRunner().invoke(status, ["--url", f"http://{address}"])
    assert result.exit_code == 7
    assert result.output.startswith("NOT WELL  partition 0 is not served (folding)")
    assert Answerer.seen == [("/v1/status", "Bearer op_me")]


def test_a_line_that_waits_for_its_issuer_is_red_and_a_second_registrar_that_waits_is_not():
    assert choose_color("state", {"state": "waiting", "reason": "cannot connect"}) == "red"
    assert choose_color("state", {"state": "waiting"}) == "green"
    assert choose_color("state", {"state": "folding"}) == "red"
    assert choose_color("inbound_lag", PARTITION) == "yellow"
    assert choose_color("owner", PARTITION) == ""


def test_json_is_what_the_processes_said(address):
    Answerer.answer = {"switch": make_switch()}
    result = CliRunner().invoke(status, ["--url", f"http://{address}", "--format", "json"])
    found = json.loads(result.output)
    assert found["partitions"][0]["epoch"] == 7
    assert found["faults"] == []


def test_a_process_of_another_version_is_told_apart(address):
    Answerer.answer = {"ready": True}
    result = CliRunner().invoke(status, ["--url", f"http://{address}"])
    assert result.exit_code == 6
    assert "another version" in result.output


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["--url", "nonsense"], 2, "--url"),
        (["--url", "http://127.0.0.1:1"], 3, "nothing listens"),
        (["--log", "sqlite:///x.db"], 2, "use --data"),
        (["--log", "kafka://127.0.0.1:1"], 6, "Kafka"),
        (["--log", "kafka:/127.0.0.1"], 2, "names no log: kafka://HOST:PORT"),
        (["--log", "kafka://127.0.0.1"], 2, "names no log: kafka://HOST:PORT"),
    ],
)
def test_what_cannot_be_asked_says_why(arguments, exit_code, words):
    result = CliRunner().invoke(status, arguments)
    assert result.exit_code == exit_code, result.output
    assert words in result.output
