"""A switch that says what a test wants it to say, on a real socket; and a real one with a shell."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import msgspec
import pytest

from switch.apps.addresses import read_addresses
from switch.codec import Message, load_dialect
from switch.codec.framing import Framer, frame_bytes
from switch.codec.mti import response_mti
from switch.codec.tpdu import answer_transport, split_transport
from switch.demo.issuer_book import LedgerLine
from switch.demo.tour_instance import TourInstance
from switch.demo.tour_stage import TourStage
from switch.demo.tour_terminal import TourTerminal
from switch.domain.payment.events import Event
from switch.eventlog.journal import JournalRecord, PartitionClaimed, encode_record
from switch.eventlog.port import StoredRecord
from switch.security.mac import MacKey
from switch.terminal.state import PosState
from tests.environment import CALM_SWITCH

MAK = bytes.fromhex("1C1C1C1C1C1C1C1C")
DEADLINE_S = 60.0
# some commands of the demo ask for what its issuer never answers
SETTINGS = CALM_SWITCH | {"SWITCH__TIMES__ISSUER_TIMEOUT_MS": "6000"}
ECHOED = ("processing_code", "amount_transaction", "stan", "terminal_id", "merchant_id")


class ScriptedSwitch:
    """Answers each message with the next code of `codes`; an empty code is silence and a cut."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.heard: list[Message] = []
        self.rrn = "010000000001"
        self._dialect = load_dialect("unionpay-pos")
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = self._server.getsockname()[:2]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            with line, contextlib.suppress(OSError):
                self._talk(line)

    def _talk(self, line: socket.socket) -> None:
        framer = Framer("binary-2")
        while received := line.recv(65_536):
            for frame in framer.receive_data(received):
                code = self._hear(frame)
                if not code:
                    return
                line.sendall(self._answer(frame, code))

    def _hear(self, frame: bytes) -> str:
        self.heard.append(self._dialect.decode(split_transport(frame).message))
        return self.codes.pop(0)

    def _answer(self, frame: bytes, code: str) -> bytes:
        transport = split_transport(frame)
        asked = self._dialect.decode(transport.message)
        fields = {name: asked.fields[name] for name in ECHOED}
        fields |= {"response_code": code, "rrn": self.rrn, "mac": bytes(8)}
        wire = self._dialect.encode(Message(response_mti(asked.mti), fields))
        wire = wire[:-8] + MacKey("unionpay-ecb", MAK).compute(wire[:-8])
        return frame_bytes("binary-2", answer_transport(transport, 0) + wire)


@pytest.fixture
def scripted_switch():
    switch = ScriptedSwitch()
    yield switch
    switch.close()


@pytest.fixture
def make_state():
    def make() -> PosState:
        return PosState(
            profile="unionpay-pos",
            terminal_id="00000001",
            merchant_id="898110154110001",
            mak=MAK,
        )

    return make


class Stand:
    """A stage whose switch is scripted and whose two books are written by the test."""

    def __init__(self, folder, terminal: TourTerminal) -> None:
        self.instance = TourInstance(folder, "", {})
        self.instance.data_dir.mkdir()
        self.records: list[StoredRecord] = []
        self.said: list[str] = []
        self.stage = TourStage(
            self.instance,
            terminal,
            lambda _url, partition: self.records if partition == 1 else [],
            lambda _url: 2,
            self.said.append,
        )

    def book(self, *lines: LedgerLine) -> None:
        with self.instance.ledger_path.open("ab") as ledger:
            for line in lines:
                ledger.write(msgspec.json.encode(line) + b"\n")

    def record(self, *events: Event, claim_id: str = "c1") -> None:
        record = JournalRecord(
            claim_id=claim_id, at=0, watermark=0, registry_position=0, events=events
        )
        self.records.append(StoredRecord(len(self.records), encode_record(record)))


@pytest.fixture
def stand(tmp_path, scripted_switch, make_state):
    stand = Stand(tmp_path, TourTerminal(make_state(), lambda: scripted_switch.address))
    stand.record(PartitionClaimed(owner="o", claim_id="c1", at=0))
    return stand


class DemoShell:
    """A shell beside a running `switch up --demo`."""

    def __init__(self, folder):
        self._folder = folder

    def type(self, words, *more):
        """Run `switch WORDS` over the demo's data folder."""
        command = [sys.executable, "-m", "switch", *words.split(), *more]
        return subprocess.run(
            [*command, "--data", str(self._folder)], capture_output=True, text=True, check=False
        )

    def ask(self, words):
        """Run it for scripts and return what it tells."""
        done = self.type(words, "--format", "json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def demo_shell(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "data"
    command = [sys.executable, "-m", "switch", "up", "--demo", "--data", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | SETTINGS
    ) as process:
        try:
            deadline = time.monotonic() + DEADLINE_S
            while read_addresses(folder) is None:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield DemoShell(folder)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
