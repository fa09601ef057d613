import contextlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from switch.cli.registry import registry
from switch.demo.world import demo_registry_document
from switch.domain.registry.queries import registry_entity, registry_rows
from switch.domain.registry.view import KINDS, Registry
from switch.registrar.document import parse_document
from switch.registrar.registrar import Registrar, RegistryRefused, find_incomplete
from switch.security.keys import Keys
from switch.security.keystore import MemoryKeyStore

TOKEN = "op_test"


class RegistryHandler(BaseHTTPRequestHandler):
    """The registry part of an instance's API, over the real registrar."""

    def do_GET(self):
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._answer(401, {"detail": "not you"})
            return
        parts = self.path.removeprefix("/v1/registry/").split("/")
        if len(parts) == 1:
            self._answer(200, {parts[0]: registry_rows(self.server.view, parts[0])})
            return
        entity = registry_entity(self.server.view, parts[0], parts[1].replace("%3A", ":"))
        self._answer(200 if entity else 404, entity or {"detail": f"No {parts[0]} {parts[1]!r}."})

    def do_POST(self):
        assert self.headers["Content-Type"] == "application/toml"
        content = self.rfile.read(int(self.headers["Content-Length"]))
        view, registrar = self.server.view, self.server.registrar
        try:
            events = registrar.load(parse_document(content), "operator", 1)
        except RegistryRefused as refused:
            errors = [str(problem) for problem in refused.problems]
            self._answer(422, {"detail": "Nothing was loaded.", "errors": errors})
            return
        for event in events:
            view.apply(view.position, event)
        told = {"change_count": len(events), "position": view.position}
        self._answer(200, told | {"incomplete": find_incomplete(events)})

    def log_message(self, *arguments):
        """Say nothing."""

    def _answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def serve(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), RegistryHandler)
    server.view = Registry()
    keys = Keys(MemoryKeyStore(), minute_key_lifetime_ms=1)
    server.registrar = Registrar(server.view, seal_key=keys.seal_key, clear_keys_allowed=True)
    (folder / "keys").mkdir()
    (folder / "keys" / "operator.token").write_text(TOKEN)
    address = f"127.0.0.1:{server.server_address[1]}"
    (folder / "addresses.json").write_text(json.dumps({"http": address}))
    with contextlib.closing(server.socket):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("instance")
    with serve(folder):
        (folder / "world.toml").write_bytes(demo_registry_document())
        run(folder, "load", str(folder / "world.toml"))
        yield folder


def run(data_dir, *arguments):
    return CliRunner().invoke(registry, [*arguments, "--data", str(data_dir)])


def test_the_same_file_again_changes_nothing(data_dir):
    file = str(data_dir / "world.toml")
    done = run(data_dir, "load", file)
    assert done.exit_code == 0, done.output
    assert "nothing to change; the registry is at position" in done.output
    shown = json.loads(run(data_dir, "load", file, "--format", "json").output)
    assert shown["change_count"] == 0


def test_a_change_says_how_much_it_wrote(data_dir, tmp_path):
    file = tmp_path / "group.toml"
    file.write_text('[[groups]]\ngroup_id = "chain"\nname = "Chain"\n')
    assert "2 events written" in run(data_dir, "load", str(file)).output


def test_who_empties_a_merchant_by_naming_its_status_alone_is_told_what_it_lacks(
    data_dir, tmp_path
):
    file = tmp_path / "suspended.toml"
    file.write_text('[[merchants]]\nmerchant_id = "898110154110021"\nstatus = "suspended"\n')
    done = run(data_dir, "load", str(file))
    assert done.exit_code == 0, done.output
    assert "merchant 898110154110021 lacks name, mcc, agent_id" in done.output
    again = run(data_dir, "load", str(data_dir / "world.toml"))
    assert "events written" in again.output
    assert "898110154110021 lacks" not in again.output


def test_an_empty_registry_says_so(tmp_path):
    with serve(tmp_path):
        assert run(tmp_path, "list").output.startswith("the registry is empty; `switch registry")


def test_a_bad_file_is_refused_with_every_error_and_exit_code_1(data_dir, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text('[[groups]]\ngroup_id = "BAD"\n[[bogus]]\n')
    done = run(data_dir, "load", str(file))
    assert done.exit_code == 1
    for text in ("Nothing was loaded.", "groups[0] BAD: group_id", "name: it is missing", "bogus"):
        assert text in done.output


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_listed(data_dir, kind):
    done = run(data_dir, "list", kind)
    assert done.exit_code == 0, done.output
    assert kind in done.output
    rows = json.loads(run(data_dir, "list", kind, "--format", "json").output)
    assert list(rows) == [kind]


def test_all_kinds_are_listed_together(data_dir):
    done = run(data_dir, "list")
    for text in ("acquirers", "898110154110015", "fee_plan, settlement_account", "77800CBA"):
        assert text in done.output
    assert set(json.loads(run(data_dir, "list", "--format", "json").output)) == set(KINDS)


def test_one_entity_is_shown_whole(data_dir):
    done = run(data_dir, "show", "merchants", "898110154110001")
    assert done.exit_code == 0, done.output
    for text in ("Corner shop", "rate_ppm 6000", "cap_minor 3500", "agent-active"):
        assert text in done.output


def test_a_terminal_is_shown_by_acquirer_and_number_without_its_key(data_dir):
    done = run(data_dir, "show", "terminals", "00000001:00000001", "--format", "json")
    entity = json.loads(done.output)
    assert entity["signed_on"] is True
    assert "mak" not in entity
    shown = run(data_dir, "show", "terminals", "00000001:00000001").output
    assert re.search(r"^signed_on +yes$", shown, re.MULTILINE)


def test_what_is_not_there_ends_with_exit_code_1(data_dir):
    done = run(data_dir, "show", "merchants", "nobody")
    assert done.exit_code == 1
    assert "No merchants 'nobody'." in done.output


@pytest.mark.parametrize("arguments", [("list", "bogus"), ("show", "bogus", "x"), ("load", "none")])
def test_wrong_arguments_end_with_exit_code_2(data_dir, arguments):
    assert run(data_dir, *arguments).exit_code == 2


def test_without_an_instance_it_says_how_to_start_one(tmp_path):
    done = run(tmp_path, "list", "merchants")
    assert done.exit_code == 3
    assert "switch up" in done.output
