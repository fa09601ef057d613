"""Sign-on, echo and settlement as commands, against a switch that the test speaks for."""

import contextlib
import json
import socket
import threading

import pytest
from click.testing import CliRunner

from switch.cli.main import main
from switch.codec import Message, load_dialect
from switch.codec.framing import Framer, frame_bytes
from switch.codec.mti import response_mti
from switch.codec.tpdu import answer_transport, split_transport
from switch.security.mac import MacKey
from switch.security.working_keys import KeyScheme, WorkingKeys, wrap_working_keys

TMK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PIK = bytes.fromhex("3132333435363738393A3B3C3D3E3F40")
MAKS = [bytes.fromhex("1C" * 8), bytes.fromhex("2525252525252525")]  # the shop's, then a sign-on's
POS = load_dialect("unionpay-pos")
ECHOED = ("processing_code", "amount_transaction", "stan", "terminal_id", "merchant_id")


class ScriptedSwitch:
    """Approves whatever is proven, hands out keys, and compares no totals: `flag` is its word."""

    def __init__(self):
        self.flag = "1"
        self.asked = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listening.getsockname())
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listening.accept()
                framer = Framer("binary-2")
                with line:
                    line.settimeout(60)
                    while received := line.recv(4096):
                        for frame in framer.receive_data(received):
                            line.sendall(self._answer(frame))

    def _answer(self, frame):
        transport = split_transport(frame)
        asked = POS.decode(transport.message)
        self.asked.append(asked)
        fields = {name: asked.fields[name] for name in ECHOED if name in asked.fields}
        fields |= {"response_code": "00", "rrn": f"{len(self.asked):012d}"}
        if asked.mti == "0800":
            scheme = KeyScheme(asked.fields["batch_data"][8:])
            pik = PIK[:8] if scheme is KeyScheme.SINGLE else PIK
            keys = wrap_working_keys(WorkingKeys(pik, MAKS[1]), scheme, TMK)
            fields["private_62"] = keys.decode("latin-1")
            fields["batch_data"] = f"00000007{scheme.value}"
        if asked.mti == "0500":
            text = asked.fields["additional_data_private"]
            fields["additional_data_private"] = text[:30] + self.flag + text[31:]
        if "mac" in asked.fields:
            wire = self._sign(asked, fields, transport.message)
        else:
            wire = POS.encode(Message(response_mti(asked.mti), fields))
        return frame_bytes("binary-2", answer_transport(transport) + wire)

    @staticmethod
    def _sign(asked, fields, message):
        keys = [MacKey("unionpay-ecb", mak) for mak in MAKS]
        [key] = [key for key in keys if key.verify(message[:-8], asked.fields["mac"])]
        fields["mac"] = bytes(8)
        unsigned = POS.encode(Message(response_mti(asked.mti), fields))[:-8]
        return unsigned + key.compute(unsigned)

    def close(self):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)


@pytest.fixture
def scripted():
    switch = ScriptedSwitch()
    yield switch
    switch.close()


@pytest.fixture
def run(scripted, tmp_path):
    addresses = {"unionpay-pos": scripted.address, "iso1987-ascii": scripted.address}
    (tmp_path / "addresses.json").write_text(json.dumps(addresses))

    def run_pos(*arguments):
        command = ["pos", *arguments, "--data", str(tmp_path), "--format", "json"]
        done = CliRunner().invoke(main, command)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, json.loads(done.stdout) if done.stdout else {}

    return run_pos


def test_after_a_sign_on_payments_are_proven_with_its_key(run, scripted):
    code, ended = run("sign-on")
    assert (code, ended["kind"], ended["batch"]) == (0, "approved", "000007")
    code, ended = run("sale", "--amount", "1.00")
    assert (code, ended["kind"]) == (0, "approved")
    assert scripted.asked[-1].fields["batch_data"][2:8] == "000007"
    _, shown = run("status")
    assert shown["signed on"] == "yes, keys 003"


def test_a_sign_on_may_ask_for_another_scheme(run, scripted):
    code, ended = run("sign-on", "--scheme", "001")
    assert (code, ended["kind"]) == (0, "approved")
    assert scripted.asked[-1].fields["batch_data"] == "00000001001"


def test_sign_off_and_echo_are_answered(run, scripted):
    run("sign-on")
    assert run("echo")[0] == 0
    assert run("sign-off")[0] == 0
    assert [asked.mti for asked in scripted.asked] == ["0800", "0820", "0820"]
    assert run("status")[1]["signed on"] == "not by this shell"


def test_a_balanced_batch_is_closed_and_the_next_one_begun(run):
    run("sale", "--amount", "12.34")
    code, ended = run("settle")
    assert (code, ended["kind"]) == (0, "approved")
    assert ended["settlement"]["totals"] == [1234, 1, 0, 0]
    assert run("status")[1]["batch"] == "000002"


def test_an_unbalanced_batch_is_uploaded_and_ends_with_exit_code_7(run, scripted):
    scripted.flag = "2"
    run("sale", "--amount", "12.34")
    run("void")
    code, ended = run("settle")
    assert (code, ended["kind"], ended["settlement"]["uploaded_count"]) == (7, "unbalanced", 2)
    assert [asked.mti for asked in scripted.asked[-3:]] == ["0500", "0320", "0320"]


def test_an_upload_may_be_wanted(run, scripted):
    run("sale", "--amount", "12.34")
    code, ended = run("settle", "--upload")
    assert (code, ended["kind"]) == (0, "approved")
    assert scripted.asked[-1].fields["batch_data"] == "00000001207"


def test_the_other_dialect_has_no_sign_on(run):
    assert run("sign-on", "--channel", "iso1987-ascii")[0] == 2
    assert run("settle", "--channel", "iso1987-ascii")[0] == 2
