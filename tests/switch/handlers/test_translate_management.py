import re

import pytest
from msgspec.structs import replace

from switch.codec import Message
from switch.domain.terminal.events import TerminalAsked, UploadCompared
from switch.eventlog.journal import encode_record
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind

from .conftest import MERCHANT, PAN, TERMINAL
from .pos_world import (
    DAY_MS,
    RULES,
    PosWorld,
    decide_all_again,
    read_reason,
    settle_by_hand,
    upload_by_hand,
)


@pytest.fixture
def world():
    return PosWorld()


@pytest.fixture
def signed_on(world):
    assert world.manage(Operation.SIGN_ON).kind is OutcomeKind.APPROVED
    return world


# -- upload ---------------------------------------------------------------------------------------


def unbalance(world, count=3):
    """Sell, and let the terminal's memory and the switch's differ by its first sale."""
    for number in range(count):
        world.pay(amount_minor=100 + number)
    return world.pos.state.payments


def test_an_upload_finds_what_only_one_of_the_two_has(signed_on):
    world = signed_on
    kept = unbalance(world)
    forgotten = kept.pop(0)
    kept[0] = replace(kept[0], amount_minor=999)
    kept.append(replace(kept[1], stan="000777", amount_minor=5))
    settled = world.manage(Operation.SETTLEMENT)
    assert settled.kind is OutcomeKind.UNBALANCED
    assert settled.settlement.uploaded_count == 3
    cases = {one.kind: one for one in world.events_named("CaseOpened")}
    assert set(cases) == {"batch-host-only", "batch-amount-differs", "batch-terminal-only"}
    assert cases["batch-host-only"].rrn == forgotten.rrn
    assert cases["batch-terminal-only"].rrn == ""
    [compared] = world.events(UploadCompared)
    assert (compared.uploaded_count, compared.difference_count) == (3, 3)
    decide_all_again(world)


def test_a_balanced_batch_that_is_uploaded_is_checked_all_the_same(signed_on):
    world = signed_on
    for _ in range(11):  # two lists
        world.pay()
    settled = world.manage(Operation.SETTLEMENT, wants_upload=True)
    assert settled.kind is OutcomeKind.APPROVED
    assert settled.settlement.uploaded_count == 11
    assert world.cases() == []
    [compared] = world.events(UploadCompared)
    assert compared.uploaded_count == 11
    decide_all_again(world)


def test_card_numbers_of_an_upload_are_tokens_wherever_they_are_written(signed_on):
    world = signed_on
    unbalance(world).pop()
    world.manage(Operation.SETTLEMENT)
    written = "".join(world.appended) + b"".join(map(encode_record, world.journal)).decode()
    assert PAN not in written
    assert not re.search(rf"0+{PAN}", written)
    [item, *_] = [one for fact in world.events(TerminalAsked) for one in fact.request.items]
    assert item.masked_pan == "620000******0005"
    assert item.token == world.keys.vault.token_of(PAN)


def test_an_upload_that_is_interrupted_goes_on_and_repeats_leave_no_record(signed_on):
    world = signed_on
    unbalance(world).pop()
    world.is_deaf = True
    world.manage(Operation.SETTLEMENT)
    world.is_deaf = False
    world.manage(Operation.SETTLEMENT)
    kinds = [one.request.operation.value for one in world.events(TerminalAsked)]
    assert kinds.count("upload") == 1
    assert kinds.count("upload-end") == 1
    count = len(world.journal)
    again = upload_by_hand(world, "000950", "207", "0002")
    assert again.fields["response_code"] == "00"
    assert len(world.journal) == count


def test_an_upload_carries_a_mac(signed_on):
    world = signed_on
    settle_by_hand(world, "000700", minor=0, count=0)
    unsigned = Message(
        "0320",
        {
            "stan": "000951",
            "terminal_id": TERMINAL,
            "merchant_id": MERCHANT,
            "batch_data": "00000001207",
            "additional_data_private": "0000",
        },
    )
    assert world.exchange_message(unsigned).fields["response_code"] == "A0"
    signed = upload_by_hand(world, "000952", "207", "0000")
    assert signed.fields["response_code"] == "00"
    assert "mac" in signed.fields


@pytest.mark.parametrize("network_code", ["203", "205", "206"])
def test_transactions_may_come_one_by_one(signed_on, network_code):
    world = signed_on
    world.pay(amount_minor=100)
    [sold] = world.pos.state.payments
    settle_by_hand(world, "000700", minor=0, count=0)
    single = {"pan": PAN, "amount_transaction": f"{100:012d}"}
    answer = upload_by_hand(world, sold.stan, network_code, "", **single)
    assert answer.fields["response_code"] == "00"
    upload_by_hand(world, "000953", "202", "0001")
    assert world.cases() == []
    decide_all_again(world)


def test_one_transaction_may_quote_its_own_trace_number(signed_on):
    world = signed_on
    world.pay(amount_minor=100)
    [sold] = world.pos.state.payments
    settle_by_hand(world, "000700", minor=0, count=0)
    quoted = f"000001{sold.stan}0000"
    upload_by_hand(
        world,
        "000954",
        "205",
        "",
        pan=PAN,
        amount_transaction=f"{100:012d}",
        original_transaction=quoted,
    )
    upload_by_hand(world, "000953", "202", "0001")
    assert world.cases() == []


@pytest.mark.parametrize(
    ("network_code", "text", "told"),
    [
        ("201", "", "DE 48 additional_data_private is missing"),
        ("201", "02" + "00" + "000001" + f"{int(PAN):020d}" + f"{5:012d}", "counts other"),
        ("201", "0100000001", "DE 48"),
        ("202", "", "DE 48 additional_data_private is missing"),
        ("202", "00001", "DE 48"),
        ("203", "", "DE 2 pan is missing"),
        ("301", "", "txn-not-supported"),
    ],
)
def test_an_upload_that_cannot_be_read_is_refused(signed_on, network_code, text, told):
    world = signed_on
    settle_by_hand(world, "000700", minor=0, count=0)
    answer = upload_by_hand(world, "000955", network_code, text)
    assert told in read_reason(answer)
    assert PAN not in read_reason(answer)


def test_a_late_upload_is_a_case_once_and_is_still_taken(signed_on):
    world = signed_on
    world.pay()
    settle_by_hand(world, "000700", minor=0, count=0)
    world.jump(RULES.terminals.upload_late_ms - 2_000)
    world.pass_ms(1_000)
    assert world.cases() == []
    world.pass_ms(3_000)
    assert world.cases() == ["batch-upload-late"]
    world.restart()
    world.pass_ms(3_000)
    assert world.cases() == ["batch-upload-late"]
    upload_by_hand(world, "000953", "202", "0000")
    assert world.cases() == ["batch-upload-late", "batch-host-only"]
    decide_all_again(world)


def test_a_balanced_batch_owes_no_upload(signed_on):
    world = signed_on
    world.pay()
    world.manage(Operation.SETTLEMENT)
    world.jump(DAY_MS)
    world.pass_ms(3_000)
    assert world.cases() == []
