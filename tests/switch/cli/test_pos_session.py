import contextlib
import socket
import threading

import pytest

from switch.adapters.clock import read_clock
from switch.cli.failure import CommandFailure
from switch.cli.pos_session import PosFile, PosSession
from switch.security.sealing import Sealer
from switch.terminal.orders import SaleOrder
from switch.terminal.outcome import OutcomeKind
from switch.terminal.pos import Pos, PosLimits
from switch.terminal.state import PosState

ORDER = SaleOrder(amount_minor=1234, pan="6200000000000005", expiration_date="3012")
WAIT_MS = 200


class SilentSwitch:
    """Takes calls and frames, and does with them what the test says."""

    def __init__(self, act):
        self.frames = []
        self._act = act
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = self._listening.getsockname()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listening.accept()
                with line:
                    line.settimeout(60)
                    while received := line.recv(4096):
                        self.frames.append(received)
                        if self._act(line) is False:
                            break

    def close(self):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(60)


@pytest.fixture
def file(tmp_path):
    (tmp_path / "pos").mkdir()
    return PosFile(tmp_path / "pos", "acquirer-00000001", Sealer(bytes(32)))


def make_pos():
    state = PosState(
        profile="unionpay-pos",
        terminal_id="00000001",
        merchant_id="898110154110001",
        mak=bytes.fromhex("1C1C1C1C1C1C1C1C"),
    )
    return Pos(state, PosLimits(answer_wait_ms=WAIT_MS, reversal_attempt_count_max=1))


def run_sale(file, address, told=None, quiet_ms=0, **options):
    pos = make_pos()
    tell = None if told is None else told.append
    session = PosSession(pos, file, address, tell=tell, quiet_ms=quiet_ms)
    return session.run(pos.start_sale(ORDER, read_clock()), **options)


def test_the_state_is_stored_before_anything_is_sent(file):
    seen = []
    switch = SilentSwitch(lambda _line: seen.append(file.load()) or False)
    run_sale(file, switch.address)
    switch.close()
    assert seen[0].stan == 1
    assert seen[0].owes_reversal


def test_without_an_answer_the_payment_is_taken_back_or_owed(file):
    switch = SilentSwitch(lambda _line: True)
    outcome = run_sale(file, switch.address)
    switch.close()
    assert outcome.kind is OutcomeKind.REVERSAL_OWED
    assert [frame[13:15].hex() for frame in switch.frames] == ["0200", "0400"]
    assert file.load().owes_reversal


def test_each_try_that_waits_for_its_answer_is_told_in_one_line(file):
    switch = SilentSwitch(lambda _line: True)
    told = []
    run_sale(file, switch.address, told)
    switch.close()
    assert [line.partition(":")[0] for line in told] == [
        "waiting for the answer",
        "waiting for the answer to the reversal of sale 000001, try 1 of 1",
    ]
    assert all(line.endswith(" s left") for line in told)


def test_a_try_that_is_soon_over_is_not_told(file):
    switch = SilentSwitch(lambda _line: False)
    told = []
    run_sale(file, switch.address, told, quiet_ms=60_000)
    switch.close()
    assert told == []


def test_a_switch_that_hangs_up_is_as_good_as_silent(file):
    switch = SilentSwitch(lambda _line: False)
    outcome = run_sale(file, switch.address)
    switch.close()
    assert outcome.kind is OutcomeKind.REVERSAL_OWED


def test_an_answer_that_is_dropped_leaves_the_reversal_owed(file):
    switch = SilentSwitch(lambda line: line.sendall(b"\x00\x01x"))
    outcome = run_sale(file, switch.address, drops_answer=True)
    switch.close()
    assert outcome.kind is OutcomeKind.UNANSWERED
    assert file.load().owes_reversal


def test_a_switch_that_is_not_there_was_certainly_not_asked(file):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    assert run_sale(file, address).kind is OutcomeKind.NOT_SENT
    assert not file.load().owes_reversal


def test_the_file_shows_neither_key_nor_card(file):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    run_sale(file, address)
    text = file.path.read_bytes()
    assert b"6200000000000005" not in text
    assert b"1C1C1C1C" not in text.upper()


def test_a_terminal_that_was_never_used_has_no_state(file):
    assert file.load() is None


def test_a_damaged_file_says_what_to_do(file):
    file.path.write_text("{")
    with pytest.raises(CommandFailure, match="remove it"):
        file.load()


def test_two_shells_do_not_use_one_terminal_at_once(file):
    with file.locked(), pytest.raises(CommandFailure, match="another shell") as caught:
        file.locked().__enter__()
    assert caught.value.exit_code == 4
    with file.locked():
        pass
