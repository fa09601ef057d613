"""Whoever reaches the listener without a terminal's key: floods, replays, forged messages."""

import contextlib
import time

import pytest

from switch.codec import Message
from switch.terminal.messages import PosVoice
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind
from tests.faults.counter import Counter, open_shops
from tests.faults.stand import CALM_SWITCH_TIMES, Stand, until
from tests.faults.till import CLOSED, UNIONPAY, Till, frame_of

pytestmark = pytest.mark.process

COUNTERS = 6
FLOOD = 200
# all of it falls into one window, however slow the machine is
SETTINGS = CALM_SWITCH_TIMES | {"SWITCH__TERMINALS__SIGN_ON_WINDOW_MS": "3600000"}
PAID_WITHIN_S = 15.0  # milliseconds, unless the machine itself stands still


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    made = Stand(tmp_path_factory.mktemp("stand"), SETTINGS)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def counters(stand, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pos")
    return [Counter(stand, spec, folder) for spec in open_shops(stand, COUNTERS)]


@pytest.fixture
def stranger(stand):
    """Make a line of somebody who knows a terminal's numbers and has no key."""
    with contextlib.ExitStack() as opened:

        def make(counter):
            return opened.enter_context(Till(stand.address("unionpay-pos"), counter.spec))

        yield make


def management(mti, counter, stan, network_code, **more):
    fields = {
        "stan": f"{stan:06d}",
        "terminal_id": counter.spec.terminal_id,
        "merchant_id": counter.spec.merchant_id,
        "batch_data": f"00{counter.state.batch}{network_code}",
    }
    return mti, fields | more


def send_plain(till, mti, fields):
    """Send a message that carries no MAC."""
    till.send(frame_of(UNIONPAY.encode(Message(mti, fields))))


def code_of(frame):
    assert frame, "neither answered nor refused"
    return UNIONPAY.decode(frame[11:]).fields["response_code"]


def sells(counter, amount_minor):
    before = time.monotonic()
    outcome = counter.order(Operation.SALE, amount_minor)
    assert outcome.kind is OutcomeKind.APPROVED, outcome
    assert time.monotonic() - before < PAID_WITHIN_S
    return outcome


def flood(till, mti, counter, network_code):
    """Send so much, over as many lines as it takes; return what was answered."""
    codes = []
    for stan in range(1, FLOOD + 1):
        message = management(mti, counter, 800_000 + stan, network_code)
        try:
            send_plain(till, *message)
            heard = till.read_frame()
        except OSError:
            heard = CLOSED
        if not heard:
            till.connect()
            continue
        codes.append(code_of(heard))
    return codes


@pytest.mark.parametrize("network_code", ["003", "001", "006", "999"])
def test_a_sign_on_flood_keeps_nobody_from_selling(counters, stranger, network_code):
    counter = counters[0]
    sells(counter, 1_100)
    codes = flood(stranger(counter), "0800", counter, network_code)
    if network_code != "003":  # nobody needs more keys than four sets of a scheme
        assert codes.count("00") <= 4
    sells(counter, 1_200)


def test_a_sign_on_flood_keeps_another_terminal_from_nothing(counters, stranger):
    flooded, other = counters[0], counters[1]
    flood(stranger(flooded), "0800", flooded, "003")
    assert other.manage(Operation.SIGN_ON).kind is OutcomeKind.APPROVED
    sells(other, 1_300)
    outcome = other.manage(Operation.SETTLEMENT)
    assert outcome.settlement.is_balanced


def test_a_flood_of_echoes_does_not_keep_a_terminal_from_settling(counters, stranger):
    counter = counters[2]
    sells(counter, 1_400)
    flood(stranger(counter), "0820", counter, "301")
    assert counter.manage(Operation.SETTLEMENT).settlement.is_balanced


def test_a_forged_sign_off_keeps_nobody_from_selling(counters, stranger):
    counter = counters[3]
    sells(counter, 1_500)
    till = stranger(counter)
    send_plain(till, *management("0820", counter, 900_001, "002"))
    assert code_of(till.read_frame()) == "00"
    sells(counter, 1_600)
    flood(stranger(counter), "0800", counter, "003")
    send_plain(till, *management("0820", counter, 900_003, "002"))
    assert till.read_frame()
    sells(counter, 1_600)
    assert counter.manage(Operation.SETTLEMENT).settlement.is_balanced


@pytest.mark.parametrize("totals", ["0" * 62, "9" * 30 + "0" + "9" * 30 + "0", "1", "123456"])
def test_forged_totals_cost_no_money_and_the_terminal_goes_on(counters, stranger, stand, totals):
    counter = counters[4]
    sells(counter, 1_700)
    debits = len(stand.debits())
    till = stranger(counter)
    forged = management("0500", counter, 900_002, "201", additional_data_private=totals)
    send_plain(till, *forged)
    heard = till.read_frame()
    if heard and code_of(heard) == "00":
        # its own totals still come, and are compared with the whole batch
        assert counter.settle_all_owed().settlement is not None
        if counter.order(Operation.SALE, 1_800).kind is OutcomeKind.DECLINED:
            assert counter.manage(Operation.SIGN_ON).kind is OutcomeKind.APPROVED
            sells(counter, 1_900)
    else:
        assert counter.manage(Operation.SETTLEMENT).settlement.is_balanced
        sells(counter, 1_900)
    assert len(stand.debits()) == debits + 1


def test_replayed_frames_do_nothing_twice_and_are_worth_nothing_for_others(
    counters, stranger, stand
):
    victim, other = counters[5], counters[4]
    voice = PosVoice(victim.state)
    frames = []
    sale = sells(victim, 2_000)
    frames.append(voice.frame_payment(victim.state.last))
    kept = victim.state.payments[-1]
    assert victim.order(Operation.REFUND, 500, kept).kind is OutcomeKind.APPROVED
    frames.append(voice.frame_payment(victim.state.last))
    assert victim.order(Operation.OFFLINE, 2_100).kind is OutcomeKind.APPROVED
    frames.append(voice.frame_payment(victim.state.last))
    until(lambda: 2_100 in {line.amount_minor for line in stand.debits()}, "the advice is told")
    before = stand.ledger_path.read_bytes()
    till = stranger(victim)
    for frame in frames * 3:
        till.send(frame)
        assert code_of(till.read_frame()) in {"00", "94"}
        stolen = frame.replace(victim.spec.terminal_id.encode(), other.spec.terminal_id.encode())
        till.send(stolen)
        assert code_of(till.read_frame()) == "A0"
    assert stand.ledger_path.read_bytes() == before
    assert sale.rrn
    assert victim.settle_all_owed().settlement.is_balanced


def test_the_books_agree_after_all_that(stand, counters):
    told = [line for counter in counters for line in counter.told]
    stand.check(told, [counter.spec.pan for counter in counters])
    assert not [line for line in stand.log_lines() if line["level"] == "error"]
