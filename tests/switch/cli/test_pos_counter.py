"""The terminal that a command stands at: what its options may be, and what it is before use."""

import json
import socket
import threading

import click
import pytest
from click.testing import CliRunner

from switch.apps.demo import load_demo_world
from switch.cli.failure import CommandFailure
from switch.cli.pos import pos
from switch.cli.pos_counter import Approval, Counter, Digits, Expiry, Identity, at_counter
from switch.codec import Message, load_dialect
from switch.codec.framing import Framer, frame_bytes
from switch.terminal.operations import Operation
from switch.terminal.state import SentPayment

FAR_AWAY = "127.0.0.1:9"


@pytest.fixture
def data_dir(tmp_path):
    addresses = {"unionpay-pos": FAR_AWAY, "iso1987-ascii": FAR_AWAY}
    (tmp_path / "addresses.json").write_text(json.dumps(addresses))
    return tmp_path


@pytest.mark.parametrize("value", ["", "12345", "12a4", "１２３４", "-123"])
def test_digits_are_digits_and_are_not_repeated_when_wrong(value):
    with pytest.raises(click.BadParameter) as caught:
        Digits(4, 4).convert(value, None, None)
    assert caught.value.message == "give 4 digits"


@pytest.mark.parametrize("value", ["", "123456789", "商户", "a\n"])
def test_an_identity_fits_its_element(value):
    with pytest.raises(click.BadParameter, match="1 to 8"):
        Identity(8).convert(value, None, None)
    assert Identity(8).convert("T-1", None, None) == "T-1"


@pytest.mark.parametrize("value", ["", "12345", "1234567", "12 456", "a!b*()", "１２３４５６"])
def test_an_approval_is_as_long_as_its_element(value):
    with pytest.raises(click.BadParameter, match="6 letters or digits"):
        Approval().convert(value, None, None)
    assert Approval().convert("A12345", None, None) == "A12345"


@pytest.mark.parametrize("value", ["1330", "3000", "3013", "1299"])
def test_an_expiry_has_a_month(data_dir, value):
    sale = ["sale", "--amount", "1.00", "--expiry", value, "--data", str(data_dir)]
    done = CliRunner().invoke(pos, sale)
    assert done.exit_code == 2
    assert "Invalid value for '--expiry': give YYMM" in done.output
    assert "the month is 01 to 12" in done.output


def test_an_expiry_is_four_digits():
    assert [Expiry().convert(value, None, None) for value in ("3001", "3012")] == ["3001", "3012"]
    for value in ("", "301", "30/12", "３０１２"):
        with pytest.raises(click.BadParameter, match="give 4 digits"):
            Expiry().convert(value, None, None)


_QUOTING = (
    ("void",),
    ("refund", "--amount", "1.00"),
    ("pre-auth-void",),
    ("complete",),
    ("complete-void",),
    ("adjust", "--amount", "1.00"),
    ("script-notice",),
)


@pytest.mark.parametrize("arguments", _QUOTING, ids=lambda arguments: arguments[0])
@pytest.mark.parametrize("rrn", ["abc", "", "12345678901", "1234567890123", "12345678901a"])
def test_a_reference_number_is_12_digits_wherever_it_is_taken(data_dir, arguments, rrn):
    done = CliRunner().invoke(pos, [*arguments, "--rrn", rrn, "--data", str(data_dir)])
    assert done.exit_code == 2
    assert "Invalid value for '--rrn': give 12 digits" in done.output


def test_what_no_message_can_hold_is_a_wrong_argument(data_dir):
    notice = ["script-notice", "--rrn", "010000000001", "--result", "00" * 300]
    done = CliRunner().invoke(pos, [*notice, "--data", str(data_dir)], standalone_mode=False)
    assert isinstance(done.exception, CommandFailure)
    assert done.exception.exit_code == 2
    assert "DE 55 icc_data" in str(done.exception)
    assert Counter(data_dir, None, None, None, "table").load_state().last is None


def test_a_terminal_that_was_never_used_has_the_keys_that_it_left_the_shop_with(data_dir):
    state = Counter(data_dir, None, None, None, "table").load_state()
    found = load_demo_world().find_terminal("00000001", "unionpay-pos")
    assert (state.tmk, state.pik, state.mak) == (found.tmk, found.pik, found.mak)
    assert state.serial_number == found.serial_number
    assert not state.is_signed_on


def test_a_file_of_an_earlier_version_gets_its_master_key(data_dir):
    counter = Counter(data_dir, None, None, None, "table")
    state = counter.load_state()
    state.tmk, state.serial_number, state.stan = b"", "", 7
    with counter.file.locked():
        counter.file.save(state)
    again = counter.load_state()
    assert (again.stan, len(again.tmk)) == (7, 16)
    assert again.serial_number


def test_a_terminal_that_nobody_knows_may_call_like_any_other(data_dir):
    state = Counter(data_dir, "99999999", "898110154119999", None, "table").load_state()
    assert (state.terminal_id, state.merchant_id) == ("99999999", "898110154119999")
    assert state.mak


def test_a_command_gets_its_counter_and_its_own_options(data_dir):
    @click.command()
    @click.option("--colour")
    @at_counter
    def paint(counter, *, colour):
        click.echo(f"{counter.load_state().terminal_id} {colour} {counter.shows_json}")

    done = CliRunner().invoke(
        paint, ["--colour", "red", "--format", "json", "--data", str(data_dir)]
    )
    assert done.output == "00000001 red True\n"


def test_what_a_terminal_cannot_do_is_a_wrong_argument(data_dir):
    def refuse(_pos, _state, _now):
        raise ValueError("not today")

    with pytest.raises(CommandFailure, match="not today") as caught:
        Counter(data_dir, None, None, None, "table").run(refuse)
    assert caught.value.exit_code == 2


def test_without_a_connection_the_exit_code_says_that_nothing_was_sent(data_dir):
    @click.command()
    @at_counter
    def ask(counter):
        counter.run(lambda pos, _state, now: pos.start_management(Operation.ECHO, now))

    done = CliRunner().invoke(ask, ["--data", str(data_dir)])
    assert done.exit_code == 6
    assert "No connection" in done.output


@pytest.fixture
def switch_that_only_reverses(tmp_path):
    """A switch whose answers to payments are lost; it writes its own address for the terminal."""
    dialect = load_dialect("iso1987-ascii")
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            framer = Framer("binary-2")
            with line:
                line.settimeout(60)
                while received := line.recv(4096):
                    [asked] = map(dialect.decode, framer.receive_data(received))
                    if asked.mti != "0400":
                        break
                    names = ("stan", "terminal_id", "transmission_time")
                    told = {name: asked.fields[name] for name in names} | {"response_code": "00"}
                    line.sendall(frame_bytes("binary-2", dialect.encode(Message("0410", told))))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    address = f"127.0.0.1:{listening.getsockname()[1]}"
    (tmp_path / "addresses.json").write_text(json.dumps({"iso1987-ascii": address}))
    yield tmp_path
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(10)


def run_pos(data_dir, *arguments):
    command = [*arguments, "--channel", "iso1987-ascii", "--data", str(data_dir)]
    return CliRunner().invoke(pos, command)


@pytest.mark.parametrize(
    "arguments",
    [
        ("sale", "--amount", "1.00"),
        ("sale", "--amount", "1.00", "--instalment"),
        ("pre-auth", "--amount", "1.00"),
        ("pre-auth-void", "--amount", "1.00", "--rrn", "010000000001"),
        ("complete", "--amount", "1.00", "--rrn", "010000000001"),
        ("complete-void", "--amount", "1.00", "--rrn", "010000000001"),
        ("void", "--amount", "1.00", "--rrn", "010000000001"),
    ],
)
def test_what_had_to_be_taken_back_is_no_success_and_no_code_00(
    switch_that_only_reverses, arguments
):
    done = run_pos(switch_that_only_reverses, *arguments)
    assert done.exit_code == 1, done.output
    assert "冲正应答 Reversal" in done.output
    assert "应答码 Code" not in done.output


def remember_payment(data_dir):
    counter = Counter(data_dir, None, None, "iso1987-ascii", "json")
    state = counter.load_state()
    fields = {
        "pan": "6200000000000005",
        "processing_code": "000000",
        "amount_transaction": "000000000100",
        "stan": state.take_stan(),
        "transmission_time": "1115061320",
        "local_time": "141320",
        "local_date": "1115",
        "pos_entry_mode": "012",
        "pos_condition_code": "00",
        "terminal_id": state.terminal_id,
        "merchant_id": state.merchant_id,
        "currency": "156",
    }
    state.last = SentPayment(mti="0200", fields=fields, owed_reason="98")
    with counter.file.locked():
        counter.file.save(state)


def test_a_repeat_that_ends_taken_back_is_no_success(switch_that_only_reverses):
    remember_payment(switch_that_only_reverses)
    done = run_pos(switch_that_only_reverses, "sale", "--repeat")
    assert done.exit_code == 1
    assert "was taken back" in done.output


def test_a_reversal_that_was_wanted_is_a_success(switch_that_only_reverses):
    remember_payment(switch_that_only_reverses)
    done = run_pos(switch_that_only_reverses, "reverse")
    assert done.exit_code == 0, done.output
    assert "应答码 Code" in done.output
