import msgspec
import pytest

from switch.codec import Message, load_dialect
from switch.domain.registry.entities import Terminal, TerminalStatus
from switch.domain.registry.events import TerminalRegistered
from switch.domain.transactions import TransactionType
from switch.domain.upstream import UpstreamAnswer
from switch.eventlog.inbound import RequestReceived
from switch.handlers.translate import NotUnderstood


def test_a_record_whose_decision_raises_is_parked_and_others_go_on(world, make_message):
    intake = world.partition._requests._intake
    real = intake.read
    intake.read = lambda _waiter: (_ for _ in ()).throw(RuntimeError("6200000000000005"))
    world.send(make_message())
    intake.read = real
    assert world.tags() == ["InboundParked"]
    assert "6200000000000005" not in str(world.journal)
    world.send(make_message(stan="000124"))
    assert world.sent_kinds() == ["0200"]


def test_a_request_and_its_repeats_that_cannot_be_decided_are_one_case(world, make_message):
    intake = world.partition._requests._intake
    intake.read = lambda _waiter: (_ for _ in ()).throw(RuntimeError("bad"))
    for mti, stan in (("0220", "000123"), ("0221", "000123"), ("0221", "000123")):
        world.send(make_message(mti, stan=stan))
    assert world.tags() == ["InboundParked"] * 3
    [case_id] = world.book.cases._cases
    assert case_id.startswith("inbound-parked-")
    world.send(make_message("0220", stan="000124"))
    assert len(world.book.cases._cases) == 2, "another request is another case"


def test_unreadable_bytes_are_parked_once(world):
    world.partition.on_unreadable_inbound(0, "bad", world.now)
    world.pump()
    world.acknowledge()
    world.partition.on_unreadable_inbound(0, "bad", world.now)
    world.pump()
    assert world.tags() == ["InboundParked"]
    assert world.partition.next_inbound_offset == 1


def test_not_understood_is_a_format_error_with_its_place(world, make_message):
    intake = world.partition._requests._intake
    assert issubclass(NotUnderstood, Exception)
    asked = world.send(make_message(currency="999"))
    assert world.answers(asked) == ["30"]
    assert "DE 49 currency" in world.remark(asked)
    assert intake is not None


# -- what is said at once rests on records that may not be durable yet ----------------------------


def test_a_repeat_is_not_told_an_approval_that_is_not_durable(world, make_message):
    world.send(make_message())
    approval = UpstreamAnswer(
        link="issuer-1",
        match=world.sent[0].request.match,
        mti="0210",
        fields={"response_code": "00"},
    )
    world.partition.on_issuer_message(approval, world.now)
    world.pump()
    repeat = world.send(make_message("0201"), acknowledged=False)
    assert world.answers(repeat) == []
    world.acknowledge()
    assert world.answers(repeat) == ["00"]


def test_a_repeated_0400_is_not_told_00_before_the_first_is_durable(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    world.send(make_message("0400"), acknowledged=False)
    repeat = world.send(make_message("0401"), acknowledged=False)
    assert world.answers(repeat) == []
    world.acknowledge()
    assert world.answers(repeat) == ["00"]


# -- a dialect without a batch: DE 13 is part of the key, DE 90 names the original ----------------


class AsciiTerminal:
    """A terminal of iso1987-ascii: no MAC, and its reversals have their own trace numbers."""

    def __init__(self, world):
        self._world = world
        terminal = Terminal(
            acquirer="demo",
            terminal_id="00000002",
            profile="iso1987-ascii",
            status=TerminalStatus.ACTIVATED,
            merchant_id="898110154110001",
            serial_number="SN2",
            transactions=(TransactionType.SALE,),
            mac_algorithm="none",
            signed_on=True,
        )
        world.registry.apply(6, TerminalRegistered(terminal=terminal))
        self._dialect = load_dialect("iso1987-ascii")

    def send(self, mti, stan, *, local_date="1115", amount="000000000100", **fields):
        """Let a message arrive; return what its record decided."""
        world = self._world
        clear = {
            "processing_code": "000000",
            "amount_transaction": amount,
            "transmission_time": "1114221320",
            "stan": stan,
            "local_time": "061320",
            "local_date": local_date,
            "pos_entry_mode": "012",
            "pos_condition_code": "00",
            "terminal_id": "00000002",
            "merchant_id": "898110154110001",
            "currency": "156",
            **fields,
        }
        inbound_id = f"gw-{len(world.inbound)}"
        wire = self._dialect.encode(Message(mti, {"pan": "6200000000000005", **clear}))
        key_id, sealed = world.keys.minute_keys.seal(world.now.wall_ms, wire, inbound_id)
        received = RequestReceived(
            inbound_id=inbound_id,
            gateway="gw",
            channel="iso1987-ascii",
            acquirer="demo",
            partition_key="demo|898110154110001",
            mti=mti,
            fields=clear,
            received_at=world.now.wall_ms,
            start_before=world.now.wall_ms + 1_750,
            deadline_at=world.now.wall_ms + 5_000,
            card=world.keys.vault.protect("6200000000000005", "3012", inbound_id),
            minute_key_id=key_id,
            sealed_message=sealed,
        )
        world.inbound.append(received)
        offset = len(world.inbound) - 1
        world.partition.on_inbound(offset, received, world.now)
        for action in world.partition.take_actions():
            if hasattr(action, "record"):
                world.unacknowledged.append(action.record)
        while world.unacknowledged:
            world.journal.append(world.unacknowledged.pop(0))
            world.partition.on_appended(world.now)
            world.sent += [a for a in world.partition.take_actions() if hasattr(a, "request")]
        return [type(event).__name__ for event in world.journal[-1].events]

    def reverse(self, own_stan, quoted_stan, **fields):
        """Send an 0400 that quotes its original by DE 90."""
        quoted = f"0200{quoted_stan}1114221320" + "0" * 22
        return self.send(
            "0400", own_stan, response_code="98", original_data_elements=quoted, **fields
        )


@pytest.fixture
def ascii_terminal(world):
    return AsciiTerminal(world)


def test_a_reversal_by_de_90_finds_its_original(world, ascii_terminal):
    assert ascii_terminal.send("0200", "000123")[-1] == "PaymentRouted"
    assert ascii_terminal.reverse("000124", "000123") == ["ReversalRequested", "ReversalAccepted"]
    assert world.journal[-1].events[-1].upstream


@pytest.mark.parametrize("local_date", ["1115", "1114"])
def test_a_reversal_by_de_90_before_its_original_bars_the_quoted_one(
    world, ascii_terminal, local_date
):
    assert "TombstoneSet" in ascii_terminal.reverse("000124", "000123", local_date="1115")
    decided = ascii_terminal.send("0200", "000123", local_date=local_date)
    assert decided == ["DuplicateConflicted"]
    assert world.sent == []


def test_a_reversal_by_de_90_leaves_a_payment_with_its_own_trace_number_alone(
    world, ascii_terminal
):
    ascii_terminal.send("0200", "000124")
    assert "TombstoneSet" in ascii_terminal.reverse("000124", "000123")
    assert world.book.find_payment(world.journal[0].events[0].rrn).reverse_requested is False


def test_a_reversal_by_de_90_finds_an_original_of_the_day_before(ascii_terminal):
    ascii_terminal.send("0200", "000123", local_date="1114")
    assert "TombstoneSet" not in ascii_terminal.reverse("000124", "000123", local_date="1115")


# -- the neighbouring batch ------------------------------------------------------------------------


def test_a_reversal_does_not_take_back_a_payment_of_a_batch_long_closed(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    asked = world.send(make_message("0400", batch_data="2200000700050"))
    assert world.answers(asked) == ["00"]
    assert "TombstoneSet" in world.tags()
    assert world.answers(world.send(make_message())) == ["00"]


def test_batch_numbers_wrap(world, make_message):
    rrn = world.rrn_of(world.send(make_message()))
    world.issuer_says("00")
    world.send(make_message("0400", batch_data="2299999900050"))
    assert world.book.find_payment(rrn).reverse_requested


def test_the_0400_of_a_void_of_a_neighbouring_batch_finds_the_void(till):
    sale = till.get()
    void = till.get("void", of=sale)
    reversal = till.take_back(void, batch_data="2300000200050")
    assert till.told(reversal) == "00"
    assert till.payment(void).reverse_requested


# -- overload --------------------------------------------------------------------------------------


def test_with_too_many_open_payments_a_new_one_is_declined_and_nobody_hangs(world, make_message):
    world.is_replayable = False
    for stan in range(1, 1_000_000, 4):
        world.book._stans.hold(f"{stan:06d}")
    asked = world.send(make_message())
    assert world.answers(asked) == ["91"]
    assert world.remark(asked).startswith("issuer-down")
    assert world.sent == []


def test_a_partner_that_repeats_after_the_money_went_back_is_told_so(world):
    order = RequestReceived(
        inbound_id="gw-json",
        gateway="gw",
        channel="json",
        acquirer="demo",
        partition_key="demo|898110154110001",
        mti="",
        fields={
            "client_id": "c",
            "merchant_id": "898110154110001",
            "idempotency_key": "k",
            "amount_minor": "100",
            "currency": "156",
        },
        received_at=world.now.wall_ms,
        start_before=world.now.wall_ms + 1_750,
        deadline_at=world.now.wall_ms + 5_000,
        card=world.keys.vault.protect("6200000000000005", "3012", "gw-json"),
    )
    said = []
    world._open_reply = lambda action: said.append(action.reply)
    world.inbound.append(order)
    world.deliver(order)
    world.issuer_says("98")
    assert said[-1].status == 202
    world.pass_ms(200)
    world.issuer_says("00")
    world.inbound.append(msgspec.structs.replace(order, inbound_id="gw-json-2"))
    world.deliver(world.inbound[-1])
    assert said[-1].status == 201
    body = msgspec.json.decode(said[-1].body)
    assert (body["status"], body["money_state"]) == ("declined", "returned")
