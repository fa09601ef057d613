import http.server
import json
import threading

import pytest

from loadtest.instance import Instance, InstanceError
from loadtest.world_setup import find_terms, prepare_world
from switch.registrar.document import parse_document

REGISTRY = {
    "acquirers": [{"acquirer_id": "00000001"}, {"acquirer_id": "zz"}],
    "issuers": [
        {"issuer_id": "a", "bins": ["4000"], "status": "suspended"},
        {"issuer_id": "b", "bins": ["5555"]},
        {"issuer_id": "c", "bins": ["51", "620000"]},
    ],
    "routes": [
        {"issuer_id": "a", "link": "x"},
        {"issuer_id": "b", "link": "x", "status": "suspended"},
        {"issuer_id": "c", "link": "x"},
    ],
}


@pytest.fixture
def registry(tmp_path):
    """Serve a registry over HTTP as an instance does; collects what is loaded."""
    content, loaded = {kind: list(rows) for kind, rows in REGISTRY.items()}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            kind = self.path.rpartition("/")[2]
            self.answer(200, {kind: content[kind]})

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            loaded.append((self.headers["Authorization"], body))
            bad = b"refuse" in (tmp_path / "keys" / "operator.token").read_bytes()
            self.answer(422 if bad else 200, {"errors": ["line 1"]} if bad else {})

        def answer(self, status, body):
            encoded = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *_args):
            pass

    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "operator.token").write_text("secret\n")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    instance = Instance(tmp_path, {"http": f"127.0.0.1:{server.server_address[1]}"})
    yield instance, content, loaded
    server.shutdown()
    thread.join()
    server.server_close()


def test_cards_are_those_of_an_issuer_that_can_be_reached(registry):
    instance, content, _ = registry
    assert find_terms(instance) == ("00000001", "62000000")
    content["issuers"][2]["bins"] = ["51"]
    assert find_terms(instance).issuer_digits == "51"


def test_another_acquirer_is_taken_if_the_usual_one_is_not_there(registry):
    instance, content, _ = registry
    del content["acquirers"][0]
    assert find_terms(instance).acquirer == "zz"


def test_a_registry_without_a_routed_issuer_is_refused(registry):
    instance, content, _ = registry
    content["routes"].clear()
    with pytest.raises(InstanceError, match="route"):
        find_terms(instance)


def test_the_world_is_loaded_with_the_operators_token(registry):
    instance, _, loaded = registry
    specs = prepare_world(instance, 5)
    [(authorization, body)] = loaded
    assert authorization == "Bearer secret"
    assert len(specs) == 5
    assert parse_document(body).problems == ()


def test_a_large_world_is_loaded_in_parts(registry):
    instance, _, loaded = registry
    prepare_world(instance, 1_000)
    assert [parse_document(body).problems for _, body in loaded] == [()] * 5
    assert sum(body.count(b"[[terminals]]") for _, body in loaded) == 1_000


def test_a_refusal_is_told(registry):
    instance, _, _ = registry
    (instance.directory / "keys" / "operator.token").write_text("refuse")
    with pytest.raises(InstanceError, match=r"422 .*line 1"):
        prepare_world(instance, 1)


def test_nobody_answering_is_told(tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "operator.token").write_text("secret\n")
    with pytest.raises(InstanceError, match="no answer"):
        find_terms(Instance(tmp_path, {"http": "127.0.0.1:1"}))


def test_a_folder_without_a_token_is_told(tmp_path):
    with pytest.raises(InstanceError, match="token"):
        find_terms(Instance(tmp_path, {"http": "127.0.0.1:1"}))
