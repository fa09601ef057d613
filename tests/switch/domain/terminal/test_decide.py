import pytest
from msgspec.structs import replace

from switch.domain.payment.events import RequestRefused
from switch.domain.payment.payment import Phase
from switch.domain.reasons import Reason
from switch.domain.registry.entities import TerminalStatus
from switch.domain.terminal.batches import following_batch
from switch.domain.terminal.decide import decide_terminal, find_handed_out
from switch.domain.terminal.events import (
    BatchClosed,
    ScriptNoticeTaken,
    TerminalSignedOff,
    TerminalSignedOn,
)
from switch.domain.terminal.evolve import evolve
from switch.domain.terminal.requests import BatchTotals, Operation
from switch.domain.terminal.state import KeySet, TerminalState

from .conftest import AT, RULES, TILL, make_working_keys

TOTALS = BatchTotals(debit_minor=12_500, debit_count=2, credit_minor=2_500, credit_count=1)


def make_state(**fields):
    return TerminalState(acquirer=TILL[0], merchant_id=TILL[1], terminal_id=TILL[2], **fields)


def make_flooded(*schemes, **fields):
    """A terminal with four key sets that nobody has used, all made within the window."""
    sets = [
        KeySet(version=number, at=AT, keys=make_working_keys(scheme))
        for number, scheme in enumerate((*schemes, *schemes * 3)[:4], 1)
    ]
    fields = {"key_sets": tuple(sets), "key_version": 4, "sign_on_times": (AT,) * 4, **fields}
    return make_state(**fields)


@pytest.fixture
def decide(memory, registry):
    def run(fact, rules=RULES):
        first, *others = decide_terminal(fact, memory, registry, rules)
        assert not others
        return first

    return run


def reason_of(decision):
    assert isinstance(decision, RequestRefused)
    return Reason(decision.answer.reason)


# -- sign-on --------------------------------------------------------------------------------------


def test_a_sign_on_hands_out_the_next_version_of_the_keys(decide, memory, ask):
    memory.state = make_state(key_version=4)
    signed_on = decide(ask(Operation.SIGN_ON, offered=make_working_keys()))
    assert isinstance(signed_on, TerminalSignedOn)
    assert signed_on.key_version == 5
    assert signed_on.answer.response_code == "00"
    assert signed_on.answer.rrn == "010000000009"


@pytest.mark.parametrize(
    ("state_batch", "registered", "stated", "want"),
    [
        ("000009", "000007", "000003", "000009"),
        ("", "000007", "000003", "000007"),
        ("", "", "000003", "000003"),
        ("", "", "000000", "000001"),
    ],
)
def test_the_batch_is_the_switchs_own_and_only_at_first_the_terminals(
    *, decide, memory, registry, ask, state_batch, registered, stated, want
):
    memory.state = make_state(batch=state_batch) if state_batch else None
    registry.change_terminal(batch=registered)
    assert decide(ask(Operation.SIGN_ON, batch=stated)).batch == want


def test_a_terminal_without_macs_signs_on_without_keys(decide, registry, ask):
    registry.change_terminal(mac_algorithm="none")
    assert decide(ask(Operation.SIGN_ON)).key_version == 0


FAULTS = [
    (Reason.REQUEST_STALE, {"fields": {"deadline_at": AT - 1}}),
    (Reason.TERMINAL_UNKNOWN, {"terminal": None}),
    (Reason.MERCHANT_NOT_FOUND, {"merchant": None}),
    (Reason.TERMINAL_NOT_BOUND, {"change": {"merchant_id": ""}}),
    (Reason.TERMINAL_MISMATCH, {"change": {"merchant_id": "898110154110002"}}),
    (Reason.TERMINAL_INACTIVE, {"change": {"status": TerminalStatus.DISABLED}}),
    (Reason.SIGN_ON_TOO_OFTEN, {"state": make_flooded("001")}),
    (Reason.MASTER_KEY_MISSING, {"fields": {"fault": "master-key-missing"}}),
    (Reason.KEY_SCHEME_REFUSED, {"fields": {"fault": "key-scheme-refused"}}),
]


@pytest.mark.parametrize(("reason", "world"), FAULTS, ids=lambda one: getattr(one, "value", ""))
def test_each_thing_that_stands_against_a_sign_on_has_its_reason(
    *, decide, memory, registry, ask, reason, world
):
    if "terminal" in world:
        registry.terminal = world["terminal"]
    if "merchant" in world:
        registry.merchant = world["merchant"]
    if "change" in world:
        registry.change_terminal(**world["change"])
    memory.state = world.get("state")
    assert reason_of(decide(ask(Operation.SIGN_ON, **world.get("fields", {})))) is reason


def test_after_the_window_a_terminal_may_sign_on_again(decide, memory, ask):
    memory.state = make_flooded("001")
    window_ms = RULES.terminals.sign_on_window_ms
    assert reason_of(decide(ask(Operation.SIGN_ON, at=AT + window_ms - 1)))
    assert isinstance(decide(ask(Operation.SIGN_ON, at=AT + window_ms)), TerminalSignedOn)


def test_a_flood_of_sign_ons_leaves_the_keys_in_use_alone(decide, memory, ask):
    keys = make_working_keys()
    fact = ask(Operation.SIGN_ON, offered=keys)
    memory.state = evolve(None, decide(fact), fact)
    memory.state = replace(memory.state, proven_version=1)
    for number in range(200):
        fact = ask(Operation.SIGN_ON, offered=keys, at=AT + 1_000 * number)
        decision = decide(fact)
        if isinstance(decision, TerminalSignedOn):
            memory.state = evolve(memory.state, decision, fact)
    assert memory.state.find_keys(1) == keys
    assert len(memory.state.key_sets) == 5


def test_where_too_many_key_sets_are_out_the_newest_unused_of_its_scheme_is_given_again(
    ask,
):
    asked = ask(Operation.SIGN_ON, network_code="003").request
    flooded = make_flooded("003", "001")
    assert find_handed_out(asked, flooded).version == 3
    assert find_handed_out(asked, make_flooded("001")) is None
    assert find_handed_out(asked, make_flooded("003", proven_version=1)) is None, "one was used"
    assert find_handed_out(asked, None) is None


def test_a_sign_on_that_was_given_keys_again_makes_none(decide, memory, ask):
    memory.state = make_flooded("003")
    fact = ask(Operation.SIGN_ON, network_code="003")
    for _ in range(10):
        memory.state = evolve(memory.state, decide(fact), fact)
    assert memory.state.is_signed_on
    assert memory.state.key_sets == make_flooded("003").key_sets
    assert memory.state.sign_on_times == (AT,) * 4, "and counts for nobody's bound"


# -- sign-off, echo, notices ----------------------------------------------------------------------


def test_a_sign_off_is_taken_from_a_terminal_that_belongs_here(decide, registry, ask):
    assert isinstance(decide(ask(Operation.SIGN_OFF)), TerminalSignedOff)
    registry.change_terminal(merchant_id="898110154110002")
    assert reason_of(decide(ask(Operation.SIGN_OFF))) is Reason.TERMINAL_MISMATCH


def test_a_terminal_that_was_bound_elsewhere_may_still_sign_off_here(decide, memory, registry, ask):
    memory.state = make_state()
    registry.change_terminal(merchant_id="898110154110002")
    assert isinstance(decide(ask(Operation.SIGN_OFF)), TerminalSignedOff)


def test_a_script_notice_is_always_taken(decide, registry, ask):
    registry.change_terminal(status=TerminalStatus.DISABLED)
    taken = decide(ask(Operation.SCRIPT_NOTICE, script_result="1122334455"))
    assert isinstance(taken, ScriptNoticeTaken)
    assert (taken.idempotency_key, taken.fingerprint) == ("key", "f1")


def test_what_nobody_knows_is_not_supported(decide, ask):
    refused = decide(ask(Operation.UNKNOWN, mti="0800", network_code="360"))
    assert reason_of(refused) is Reason.TXN_NOT_SUPPORTED
    assert refused.answer.detail == "0800 with network code 360"


# -- the end of a batch ---------------------------------------------------------------------------


@pytest.mark.parametrize("is_balanced", [True, False])
def test_a_batch_is_closed_whether_the_totals_agree_or_not(decide, memory, ask, is_balanced):
    memory.totals = TOTALS
    claimed = TOTALS if is_balanced else replace(TOTALS, credit_count=2)
    closed = decide(ask(Operation.SETTLEMENT, claimed=claimed))
    assert isinstance(closed, BatchClosed)
    assert closed.is_balanced is is_balanced
    assert (closed.totals, closed.claimed) == (TOTALS, claimed)
    assert closed.next_batch == "000008"
    assert closed.answer.response_code == "00"


@pytest.mark.parametrize("batch", ["000007", "999999"])
def test_the_next_batch_is_the_following_number(decide, registry, ask, batch):
    registry.change_terminal(batch=batch)
    closed = decide(ask(Operation.SETTLEMENT, batch=batch, claimed=BatchTotals()))
    assert closed.next_batch == following_batch(batch)


def test_a_batch_that_is_not_open_and_holds_nothing_is_refused(decide, ask):
    refused = decide(ask(Operation.SETTLEMENT, batch="000004", claimed=BatchTotals()))
    assert reason_of(refused) is Reason.BATCH_MISMATCH
    assert refused.answer.detail == "open batch 000007"


def test_a_batch_that_holds_late_advices_is_closed_and_the_open_one_stays(decide, memory, ask, pay):
    memory.payments = [pay(batch="000004")]
    closed = decide(ask(Operation.SETTLEMENT, batch="000004", claimed=BatchTotals()))
    assert closed.next_batch == ""


def test_payments_without_an_outcome_are_counted_when_their_batch_closes(decide, memory, ask, pay):
    memory.payments = [pay(phase=Phase.ROUTED)]
    memory.running_count = 1
    assert decide(ask(Operation.SETTLEMENT, claimed=BatchTotals())).running_count == 1


def test_a_terminal_of_another_merchant_closes_nothing_here(decide, registry, ask):
    registry.change_terminal(merchant_id="898110154110002")
    assert reason_of(decide(ask(Operation.SETTLEMENT))) is Reason.TERMINAL_MISMATCH


@pytest.mark.parametrize("how", ["said something", "paid"])
def test_a_terminal_that_was_bound_elsewhere_may_still_close_its_batch(
    *, decide, memory, registry, ask, pay, how
):
    registry.change_terminal(merchant_id="898110154110002", status=TerminalStatus.DISABLED)
    if how == "paid":
        memory.payments = [pay()]
    else:
        memory.state = make_state(batch="000007")
    assert isinstance(decide(ask(Operation.SETTLEMENT, claimed=TOTALS)), BatchClosed)


def test_an_upload_of_a_batch_that_is_not_closed_is_refused(decide, ask):
    for operation in (Operation.UPLOAD, Operation.UPLOAD_END):
        refused = decide(ask(operation, mti="0320"))
        assert reason_of(refused) is Reason.BATCH_MISMATCH
        assert refused.answer.detail == "batch 000007 is not closed"
