"""Cases as operators see them: opened by time and by claims, worked on, settled once."""

import itertools

import pytest
from msgspec.structs import replace

from switch.domain.cases.commands import LOCAL_OPERATOR, CommandKind
from switch.domain.cases.events import Resolution
from switch.domain.cases.state import CaseState
from switch.domain.money import Money
from switch.eventlog.inbound import RequestReceived
from switch.handlers.book import PartitionBook
from switch.handlers.cases_side import CHANGES_COUNT_MAX, OPERATOR_CHANNEL, read_fields

OPEN_AFTER_MS = 600_000  # as CaseRules has it
LARGE = "000000100001"  # one fen more than one person may settle


class Desk:
    """An operator's hands: each command travels through the inbound log."""

    def __init__(self, world):
        self._world = world
        self._count = 0

    def send(self, command, *, by="anna", key="", acknowledged=True, **fields):
        self._count += 1
        world = self._world
        inbound_id = f"desk-{self._count}"
        received = RequestReceived(
            inbound_id=inbound_id,
            gateway="gw",
            channel=OPERATOR_CHANNEL,
            acquirer="",
            partition_key="operator|01",
            mti="",
            fields={
                "command": command,
                "command_id": key or f"key-{self._count}",
                "by": by,
                **fields,
            },
            received_at=world.now.wall_ms,
            start_before=world.now.wall_ms,
            deadline_at=world.now.wall_ms + 5_000,
        )
        world.inbound.append(received)
        world.deliver(received, acknowledged=acknowledged)
        return inbound_id

    def ask(self, command, **fields):
        """Send a command; return the status and the body of its answer."""
        return self._world.resources[self.send(command, **fields)]

    def resolve(self, case_id, resolution="no-action", **fields):
        fields.setdefault("text", "looked at it")
        return self.ask("resolve", case_id=case_id, resolution=resolution, **fields)


@pytest.fixture
def desk(world):
    return Desk(world)


def pay(world, make_message, code="00", **changes):
    """Make a payment and let its issuer say `code`; return its RRN."""
    inbound_id = world.send(make_message(**changes))
    if code:
        world.issuer_says(code)
    return world.rrn_of(inbound_id)


def leave_unanswered(world, make_message, **changes):
    """Make a payment whose issuer has not answered for so long that a person must look."""
    rrn = pay(world, make_message, code="", **changes)
    world.pass_ms(4_000)
    world.jump(OPEN_AFTER_MS)
    world.pass_ms(2_000)
    return rrn


# -- what time makes a case ------------------------------------------------------------------------


def test_an_outcome_that_stays_unknown_is_a_case_once(world, make_message):
    rrn = leave_unanswered(world, make_message)
    case = world.book.cases.find(f"outcome-open-{rrn}")
    assert (case.kind, case.state, case.amount) == (
        "outcome-open",
        CaseState.OPEN,
        Money(100, "156"),
    )
    world.jump(OPEN_AFTER_MS)
    world.pass_ms(5_000)
    assert world.tags().count("CaseOpened") == 1
    assert world.partition.case_count == 1


def test_an_outcome_that_is_known_in_time_is_no_case(world, make_message):
    pay(world, make_message, "98")
    world.pass_ms(100)
    world.issuer_says("00")
    world.jump(OPEN_AFTER_MS)
    world.pass_ms(2_000)
    assert "CaseOpened" not in world.tags()


def test_the_answer_closes_the_case_by_itself(world, make_message):
    rrn = leave_unanswered(world, make_message)
    world.issuer_says("00")
    world.pass_ms(7_000)
    world.issuer_says("00")  # the confirming one
    assert world.book.find_payment(rrn).phase.value == "reversed"
    world.pass_ms(1_100)
    case = world.book.cases.find(f"outcome-open-{rrn}")
    assert case.state is CaseState.CLOSED
    assert world.tags()[-1] == "CaseClosed"
    assert world.partition.case_count == 0


def test_a_successor_opens_and_closes_what_its_predecessor_did_not(world, make_message):
    rrn = pay(world, make_message, code="")
    world.pass_ms(4_000)
    world.jump(OPEN_AFTER_MS)
    world.restart()
    world.pass_ms(200)
    assert world.book.cases.find(f"outcome-open-{rrn}") is not None
    world.issuer_says("00")
    world.restart()
    world.pass_ms(6_100)
    world.issuer_says("00")  # the confirming one
    world.restart()
    world.pass_ms(200)
    assert world.book.cases.find(f"outcome-open-{rrn}").state is CaseState.CLOSED


def test_an_outage_opens_its_cases_in_portions(world, make_message):
    count = CHANGES_COUNT_MAX + 20
    for number in range(count):
        amount = f"{100 + number:012d}"
        world.send(make_message(stan=f"{number:06d}", amount_transaction=amount))
    world.pass_ms(4_000)
    world.jump(OPEN_AFTER_MS)
    counts = [0]
    while counts[-1] < count and len(counts) < 50:
        world.pass_ms(100)
        counts.append(world.tags().count("CaseOpened"))
    assert counts[-1] == count
    assert max(b - a for a, b in itertools.pairwise(counts)) == CHANGES_COUNT_MAX


# -- claims ----------------------------------------------------------------------------------------


def test_a_claim_is_opened_once_and_its_payment_can_be_given_back(world, desk, make_message):
    rrn = pay(world, make_message)
    status, told = desk.ask("open", rrn=rrn, text="no goods")
    assert (status, told["case_id"], told["state"]) == (201, f"not-served-{rrn}", "open")
    assert desk.ask("open", rrn=rrn, text="again")[0] == 409
    sent = len(world.sent)
    status, told = desk.resolve(f"not-served-{rrn}", "return-money")
    assert (status, told["state"], told["effects"]) == (201, "resolved", ["return-ordered.v1"])
    world.pass_ms(100)
    assert world.sent_kinds()[sent:] == ["0420"]
    world.issuer_says("00")
    payment = world.book.find_payment(rrn)
    assert payment.phase.value == "reversed"
    assert world.journal[-1].events[-1].line.gross_minor == -100


def test_nothing_is_sent_before_the_resolution_is_durable(world, desk, make_message):
    rrn = pay(world, make_message)
    desk.ask("open", rrn=rrn, text="no goods")
    sent = len(world.sent)
    inbound_id = desk.send(
        "resolve",
        case_id=f"not-served-{rrn}",
        resolution="return-money",
        text="t",
        acknowledged=False,
    )
    world.pass_ms(500, acknowledged=False)
    assert len(world.sent) == sent
    assert inbound_id not in world.resources
    world.acknowledge()
    assert inbound_id in world.resources


def test_an_order_to_give_money_back_survives_a_crash(world, desk, make_message):
    rrn = pay(world, make_message)
    desk.ask("open", rrn=rrn, text="no goods")
    desk.resolve(f"not-served-{rrn}", "return-money")
    sent = len(world.sent)
    world.restart()
    world.pass_ms(100)
    assert world.sent_kinds()[sent:] == ["0420"]


def test_a_case_keeps_its_payment_in_memory(world, desk, make_message):
    rrn = pay(world, make_message)
    desk.ask("open", rrn=rrn, text="no goods")
    world.jump(400 * 86_400_000)
    pay(world, make_message, "51", stan="000777")
    assert world.book.find_payment(rrn) is not None


# -- once, and by whom -----------------------------------------------------------------------------


def test_the_same_command_again_is_answered_again_and_changes_nothing(world, desk, make_message):
    rrn = pay(world, make_message)
    first = desk.ask("open", rrn=rrn, text="no goods", key="k-1")
    count = len(world.journal)
    assert desk.ask("open", rrn=rrn, text="no goods", key="k-1") == first
    world.restart()
    assert desk.ask("open", rrn=rrn, text="no goods", key="k-1") == first
    assert [tag for tag in world.tags() if tag == "CaseOpened"] == ["CaseOpened"]
    assert count <= len(world.journal)
    status, problem = desk.ask("open", rrn=rrn, text="other", key="k-1")
    assert (status, problem["type"]) == (422, "urn:payment-switch:problem:idempotency-key-reused")


def test_a_retried_resolve_returns_the_money_once(world, desk, make_message):
    rrn = pay(world, make_message)
    desk.ask("open", rrn=rrn, text="no goods")
    case_id = f"not-served-{rrn}"
    assert desk.resolve(case_id, "return-money", key="r")[0] == 201
    assert desk.resolve(case_id, "return-money", key="r")[0] == 201
    assert world.tags().count("ReturnOrdered") == 1
    status, problem = desk.resolve(case_id, "return-money", key="another")
    assert (status, problem["type"]) == (409, "urn:payment-switch:problem:case-ended")


def test_a_large_case_takes_two_named_persons(world, desk, make_message):
    rrn = pay(world, make_message, amount_transaction=LARGE)
    case_id = f"not-served-{rrn}"
    desk.ask("open", rrn=rrn, text="no goods", by=LOCAL_OPERATOR)
    status, problem = desk.resolve(case_id, "return-money", by=LOCAL_OPERATOR)
    assert (status, problem["type"].rpartition(":")[2]) == (403, "named-operator-needed")
    status, told = desk.resolve(case_id, "return-money", key="p")
    assert (status, told["state"], told["proposed_by"]) == (202, "proposed", "anna")
    assert desk.resolve(case_id, "return-money", key="p")[0] == 202  # the same command
    assert desk.resolve(case_id, "return-money")[0] == 409  # the same person
    assert "ReturnOrdered" not in world.tags()
    status, told = desk.resolve(case_id, "return-money", by="ben")
    assert (status, told["resolved_by"], told["confirmed_by"]) == (201, "anna", "ben")
    assert world.tags()[-2:] == ["CaseResolved", "ReturnOrdered"]


def test_a_refused_command_is_decided_for_a_successor_too(world, desk, make_message):
    rrn = pay(world, make_message)
    inbound_id = desk.send("note", case_id=f"not-served-{rrn}", text="early")
    assert world.resources[inbound_id][0] == 404
    desk.ask("open", rrn=rrn, text="no goods")
    world.restart()
    received = next(one for one in world.inbound if one.inbound_id == inbound_id)
    world.deliver(received)
    assert "early" not in str(world.journal)


def test_notes_and_owners_leave_their_mark(world, desk, make_message):
    rrn = pay(world, make_message)
    desk.ask("open", rrn=rrn, text="no goods")
    case_id = f"not-served-{rrn}"
    assert desk.ask("assign", case_id=case_id, owner="ben")[1]["owner"] == "ben"
    assert desk.ask("note", case_id=case_id, text="called the shop")[0] == 201
    assert world.tags()[-2:] == ["CaseAssigned", "CaseNoted"]


# -- what a person finds out -----------------------------------------------------------------------


def make_a_case_of(world, make_message):
    """Let an issuer answer a reversal with nonsense until it is a case."""
    rrn = pay(world, make_message, "98")
    for _ in range(5):
        world.pass_ms(5_100)
        world.issuer_says("12")
    assert world.book.find_payment(rrn).phase.value == "case"
    return rrn


def test_a_payment_found_returned_is_reversed(world, desk, make_message):
    rrn = make_a_case_of(world, make_message)
    status, told = desk.resolve(f"reversal-poisoned-{rrn}", "returned")
    assert (status, told["effects"]) == (201, ["payment-reversed.v1"])
    assert world.book.find_payment(rrn).phase.value == "reversed"


def test_a_reversal_that_became_a_case_can_be_sent_again(world, desk, make_message):
    rrn = make_a_case_of(world, make_message)
    desk.resolve(f"reversal-poisoned-{rrn}", "return-money")
    world.pass_ms(100)
    assert world.sent_kinds()[-1] == "0421"
    world.issuer_says("00")
    assert world.book.find_payment(rrn).phase.value == "reversed"


def test_a_payment_that_waits_can_be_settled_by_hand_and_is_sent_no_more(world, desk, make_message):
    rrn = leave_unanswered(world, make_message)
    status, _ = desk.resolve(f"outcome-open-{rrn}", "returned")
    assert status == 201
    assert world.partition.forwarding_count == 0
    sent = len(world.sent)
    world.pass_ms(10_000)
    assert len(world.sent) == sent


def test_a_refund_found_booked_settles_and_its_original_knows(world, desk, till):
    sale = till.ask("sale")
    world.issuer_says("00", authorization_id="AUTH01")
    refund = till.ask("refund", 40, of=sale)
    world.pass_ms(4_000)
    for _ in range(6):
        world.issuer_says("77", amount_transaction="000000000001")
        world.pass_ms(5_100)
    assert world.book.find_payment(refund.rrn).phase.value == "case"
    case_id = f"repeat-poisoned-{refund.rrn}"
    status, told = desk.resolve(case_id, "returned")
    assert (status, told["effects"]) == (201, ["payment-approved.v1"])
    [touch] = world.book.find_payment(sale.rrn).touches
    assert (touch.is_done, touch.minor) == (True, 40)
    assert world.journal[-1].events[-1].line.gross_minor == -40


# -- the fold --------------------------------------------------------------------------------------


def test_two_folds_of_one_journal_know_the_same_cases(world, desk, make_message):
    rrn = leave_unanswered(world, make_message)
    desk.ask("note", case_id=f"outcome-open-{rrn}", text="called the bank")
    desk.ask("open", rrn=rrn, text="no goods")
    book = PartitionBook(1, 4, world.partition._settings.rules)
    for record in world.journal:
        book.apply(record)
    assert book.cases == world.book.cases


def test_a_command_is_read_from_the_fields_of_its_record():
    command = read_fields(
        {
            "command": "resolve",
            "command_id": "k",
            "by": "anna",
            "case_id": "c",
            "resolution": "stands",
            "amount_minor": "12",
            "currency": "156",
        },
        7,
    )
    assert (command.kind, command.resolution) == (CommandKind.RESOLVE, Resolution.STANDS)
    assert (command.at, command.amount) == (7, Money(12, "156"))
    assert replace(command, amount=None, resolution=None) == read_fields(
        {"command": "resolve", "command_id": "k", "by": "anna", "case_id": "c"}, 7
    )


def test_a_command_that_cannot_be_read_is_parked(world, desk):
    desk.send("dance")
    assert world.tags()[-1] == "InboundParked"
    [case_id] = world.book.cases._cases
    assert case_id.startswith("inbound-parked-01-")
