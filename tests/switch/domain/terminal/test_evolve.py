import pytest

from switch.domain.payment.requests import Answer
from switch.domain.terminal.events import BatchClosed, TerminalSignedOff, TerminalSignedOn
from switch.domain.terminal.evolve import evolve, prove_keys
from switch.domain.terminal.requests import BatchTotals, Operation
from switch.domain.terminal.rules import KEY_SETS_OFFERED_COUNT_MAX

from .conftest import AT, TILL, make_working_keys


def who():
    return dict(zip(("acquirer", "merchant_id", "terminal_id"), TILL, strict=True))


def sign_on(state, ask, version, *, at=AT, batch="000007"):
    fact = ask(Operation.SIGN_ON, offered=make_working_keys() if version else None)
    answer = Answer(response_code="00", at=at)
    event = TerminalSignedOn(**who(), batch=batch, answer=answer, key_version=version)
    return evolve(state, event, fact)


def versions(state):
    return [one.version for one in state.key_sets]


def test_a_sign_on_sets_the_batch_and_hands_out_keys(ask):
    state = sign_on(None, ask, 1)
    assert (state.is_signed_on, state.batch, state.key_version) == (True, "000007", 1)
    assert state.sign_on_times == (AT,)
    assert state.find_keys(1) == make_working_keys()
    assert state.proven_version == 0


def test_a_terminal_without_macs_is_signed_on_without_keys(ask):
    state = sign_on(None, ask, 0)
    assert state.is_signed_on
    assert state.key_sets == ()


def test_older_keys_verify_until_newer_ones_are_proven(ask):
    state = sign_on(sign_on(None, ask, 1), ask, 2)
    assert versions(state) == [1, 2]
    state = prove_keys(state, 1)
    assert versions(state) == [1, 2]
    state = prove_keys(state, 2)
    assert versions(state) == [2]
    assert prove_keys(state, 1) == state


def test_however_often_a_terminal_signs_on_the_proven_keys_stay(ask):
    state = prove_keys(sign_on(None, ask, 1), 1)
    for version in range(2, 12):
        state = sign_on(state, ask, version)
    assert versions(state) == [1, 8, 9, 10, 11]
    assert len(state.key_sets) == 1 + KEY_SETS_OFFERED_COUNT_MAX
    assert len(state.sign_on_times) == KEY_SETS_OFFERED_COUNT_MAX


def test_a_sign_off_keeps_the_keys_for_what_the_terminal_still_owes(ask):
    state = sign_on(None, ask, 1)
    answer = Answer(response_code="00", at=AT)
    after = evolve(state, TerminalSignedOff(**who(), answer=answer), None)
    assert after.is_signed_on is False
    assert after.key_sets == state.key_sets


@pytest.mark.parametrize(("next_batch", "want"), [("000008", "000008"), ("", "000007")])
def test_a_closed_batch_opens_the_next_only_if_it_was_the_open_one(ask, next_batch, want):
    state = sign_on(None, ask, 1)
    closed = BatchClosed(
        **who(),
        batch="000007",
        stan="000900",
        fingerprint="f",
        totals=BatchTotals(),
        claimed=BatchTotals(),
        is_balanced=True,
        answer=Answer(response_code="00", at=AT),
        next_batch=next_batch,
    )
    assert evolve(state, closed, None).batch == want


def test_closing_a_batch_is_no_sign_on():
    closed = BatchClosed(
        **who(),
        batch="000007",
        stan="000900",
        fingerprint="f",
        totals=BatchTotals(),
        claimed=BatchTotals(),
        is_balanced=True,
        answer=Answer(response_code="00", at=AT),
        next_batch="000008",
    )
    assert evolve(None, closed, None).is_signed_on is None
