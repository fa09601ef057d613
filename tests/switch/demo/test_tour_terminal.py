import socket

import pytest

from switch.demo.tour_terminal import TourTerminal
from switch.terminal.orders import SaleOrder
from switch.terminal.outcome import OutcomeKind

ORDER = SaleOrder(amount_minor=1234, pan="6200000000000005", expiration_date="3012")


@pytest.fixture
def terminal(scripted_switch, make_state):
    return TourTerminal(make_state(), lambda: scripted_switch.address)


def test_a_sale_is_answered_and_its_bytes_are_kept(scripted_switch, terminal):
    scripted_switch.codes = ["00", "00"]
    outcome = terminal.sell(ORDER)
    assert outcome.kind is OutcomeKind.APPROVED
    assert outcome.rrn == scripted_switch.rrn
    first = terminal.answer
    assert first
    assert terminal.repeat().kind is OutcomeKind.APPROVED
    assert terminal.answer == first
    assert scripted_switch.heard[0] == scripted_switch.heard[1]


def test_another_amount_goes_under_the_same_key_and_is_forgotten(scripted_switch, terminal):
    scripted_switch.codes = ["00", "94", "00"]
    terminal.sell(ORDER)
    assert terminal.repeat_with_amount(4321).response_code == "94"
    terminal.repeat()
    amounts = [m.fields["amount_transaction"] for m in scripted_switch.heard]
    assert amounts == ["000000001234", "000000004321", "000000001234"]
    assert len({m.fields["stan"] for m in scripted_switch.heard}) == 1


def test_a_pulled_plug_leaves_the_payment_to_be_asked_for_again(scripted_switch, terminal):
    scripted_switch.codes = ["00", "00"]
    terminal.begin_sale(ORDER)
    assert terminal.lose_line().kind is OutcomeKind.UNANSWERED
    assert terminal.last_stan == "000001"
    assert terminal.repeat().kind is OutcomeKind.APPROVED


def test_a_line_that_breaks_is_a_reversal_of_the_terminals_own(scripted_switch, terminal):
    scripted_switch.codes = ["", "00"]
    assert terminal.sell(ORDER).kind is OutcomeKind.REVERSED
    assert [m.mti for m in scripted_switch.heard] == ["0200", "0400"]


def test_nobody_listening_is_told_as_not_sent(make_state):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()[:2]
    terminal = TourTerminal(make_state(), lambda: address)
    assert terminal.sell(ORDER).kind is OutcomeKind.NOT_SENT
    terminal.close()
