import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from switch.adapters.data_folder import lock_data_folder
from switch.apps.addresses import write_addresses
from switch.cli.client import InstanceClient, path_of
from switch.cli.failure import CommandFailure

PROBLEM = "urn:payment-switch:problem"
ANSWERS: dict[str, tuple[int, Any]] = {
    "/v1/status": (200, {"ready": True}),
    "/v1/payments?rrn=1": (404, {"title": "Not found", "detail": "no such payment"}),
    "/v1/registry/load": (422, {"title": "Refused", "errors": ["a", "b"]}),
    "/broken": (500, "oops"),
    "/v1/cases": (503, {"type": f"{PROBLEM}:role-elsewhere", "detail": "No gateway."}),
    "/v1/registry/clients": (503, {"type": f"{PROBLEM}:role-elsewhere"}),
    "/v1/cases/1": (503, {"type": f"{PROBLEM}:unavailable", "detail": "set projector.dsn"}),
    "/secret": (401, {"title": "Unauthorized", "detail": "Send a key as a bearer token."}),
}


class Answerer(BaseHTTPRequestHandler):
    seen: list[tuple[str, str, bytes]]

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        token = self.headers.get("Authorization", "")
        self.seen.append((self.path, token, self.rfile.read(length)))
        status, content = ANSWERS[self.path]
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Path]:
    Answerer.seen = []
    with HTTPServer(("127.0.0.1", 0), Answerer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        write_addresses(tmp_path, {"http": f"127.0.0.1:{server.server_port}", "pid": 1})
        (tmp_path / "keys").mkdir()
        (tmp_path / "keys" / "operator.token").write_text("op_secret\n")
        yield tmp_path
        server.shutdown()
        thread.join()


def test_the_instance_is_found_by_its_data_folder(instance: Path) -> None:
    assert InstanceClient(instance).get("/v1/status") == {"ready": True}
    assert Answerer.seen == [("/v1/status", "Bearer op_secret", b"")]


def test_a_body_is_sent_as_it_is(instance: Path) -> None:
    with pytest.raises(CommandFailure) as caught:
        InstanceClient(instance).post("/v1/registry/load", b"[[x]]", "application/toml")
    assert Answerer.seen[0][2] == b"[[x]]"
    assert caught.value.exit_code == 1
    assert caught.value.message == "Refused\n  - a\n  - b"


def test_a_refusal_is_the_servers_own_words(instance: Path) -> None:
    with pytest.raises(CommandFailure, match="no such payment") as caught:
        InstanceClient(instance).get("/v1/payments", {"rrn": "1"})
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("role", ["handler", "projector"])
def test_the_folder_of_another_role_is_one_wrong_argument_with_one_advice(
    instance: Path, role: str
) -> None:
    http = InstanceClient(instance).addresses["http"]
    write_addresses(instance, {"http": http, "role": role, "pid": 1})
    client = InstanceClient(instance)
    to_gateway = f"{instance} is the folder of a {role}: name that of a gateway (terminals, cases)"
    for ask, words in (
        (lambda: client.get("/v1/cases"), to_gateway),
        (lambda: client.post("/v1/cases", b"{}", "application/json"), to_gateway),
        (lambda: client.address("unionpay-pos"), to_gateway),
        (lambda: client.get("/v1/registry/clients"), "name that of a registrar"),
    ):
        with pytest.raises(CommandFailure) as caught:
            ask()
        assert words in caught.value.message
        assert caught.value.exit_code == 2


def test_a_gateway_that_knows_no_tables_is_a_setting_and_one_whose_tables_are_away_is_not(
    instance: Path,
) -> None:
    http = InstanceClient(instance).addresses["http"]
    for dsn, exit_code in (("", 2), ("postgresql:///x", 6)):
        facts = {"http": http, "role": "gateway", "pid": 1} | ({"postgres": dsn} if dsn else {})
        write_addresses(instance, facts)
        with pytest.raises(CommandFailure, match=r"set projector\.dsn") as caught:
            InstanceClient(instance).get("/v1/cases/1")
        assert caught.value.exit_code == exit_code


def test_an_unknown_key_is_told_by_where_it_came_from(instance: Path) -> None:
    url = f"http://{InstanceClient(instance).addresses['http']}"
    for client, words in (
        (InstanceClient(instance, operator_key="op_x"), "not know the key in SWITCH_OPERATOR_KEY"),
        (InstanceClient(instance, operator_key="op_x", url=url), "not know the key in SWITCH_OPER"),
        (InstanceClient(instance, url=url), "put an operator's key into SWITCH_OPERATOR_KEY"),
        (InstanceClient(instance), "does not take the token in .*operator.token"),
    ):
        with pytest.raises(CommandFailure, match=words) as caught:
            client.get("/secret")
        assert caught.value.exit_code == 1


def test_the_token_of_this_machine_is_not_sent_to_another(instance: Path) -> None:
    url = f"http://{InstanceClient(instance).addresses['http']}"
    InstanceClient(instance, url=url).get("/v1/status")
    assert Answerer.seen == [("/v1/status", "Bearer ", b"")]


def test_a_failing_server_is_a_fault(instance: Path) -> None:
    with pytest.raises(CommandFailure) as caught:
        InstanceClient(instance).get("/broken")
    assert caught.value.exit_code == 6


def test_nothing_running_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(CommandFailure, match="switch up --demo --data") as caught:
        InstanceClient(tmp_path)
    assert caught.value.exit_code == 3


def test_nothing_running_over_a_roles_folder_names_the_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/opt/switch", "handler", "--data", str(tmp_path)])
    with lock_data_folder(tmp_path):
        pass
    with pytest.raises(CommandFailure, match=f"last time, with `switch handler --data {tmp_path}`"):
        InstanceClient(tmp_path)


def test_a_killed_instance_is_told_from_a_running_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    write_addresses(tmp_path, {"http": f"127.0.0.1:{port}"})
    with pytest.raises(CommandFailure, match="was killed") as caught:
        InstanceClient(tmp_path).get("/v1/status")
    assert caught.value.exit_code == 3


def test_a_listener_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_addresses(tmp_path, {"http": "127.0.0.1:1", "issuer": ""})
    with pytest.raises(CommandFailure, match="issuer"):
        InstanceClient(tmp_path).address("issuer")


def test_path_segments_are_escaped() -> None:
    assert path_of("v1", "registry", "a/b c") == "/v1/registry/a%2Fb%20c"
