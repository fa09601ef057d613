"""Every refusal that the demo's page promises, typed as the page says, against a real instance."""

import pytest

from switch.demo.refusals import PROVOCATIONS
from switch.domain.declines import decline_of
from switch.domain.reasons import Reason

# what nobody can type in the demo world: overload, repeats and reversals that a terminal does not
# send, faults, requests and originals that are too old, terminals that disagree with their registry
NOT_HERE = {
    Reason.GATEWAY_BUSY,
    Reason.LOG_UNAVAILABLE,
    Reason.DUPLICATE_CONFLICT,
    Reason.LATE_AFTER_REVERSAL,
    Reason.ALREADY_REVERSED,
    Reason.STAN_REUSED,
    Reason.REVERSAL_MISMATCH,
    Reason.TXN_NOT_SUPPORTED,
    Reason.REQUEST_STALE,
    Reason.REGISTRY_NOT_CONFIRMED,
    Reason.SEND_WINDOW_MISSED,
    Reason.PARTIAL_APPROVAL_REFUSED,
    Reason.INTERNAL_FAULT,
    Reason.BATCH_FULL,
    Reason.MASTER_KEY_MISSING,
    Reason.ORIGINAL_UNREADABLE,
    Reason.ORIGINAL_TOO_OLD,
}


@pytest.mark.process
@pytest.mark.parametrize("each", PROVOCATIONS, ids=lambda each: f"{each.reason.value}: {each.why}")
def test_the_command_is_answered_with_the_promised_reason(demo_shell, each):
    ends = [demo_shell.ask(f"pos {before}") for before in each.before]
    if each.before_reason:
        assert ends.pop()["reason"] == each.before_reason.value
    assert [end["kind"] for end in ends] == ["approved"] * len(ends), ends
    told = demo_shell.ask(f"pos {each.arguments}")
    assert told.get("reason") == each.reason.value, told
    if each.detail:
        assert told["detail"] == each.detail
    if each.reason is not Reason.ISSUER_DECLINED:
        assert told["response_code"] == decline_of(each.reason).response_code
    assert not told.get("owes_reversal")


@pytest.mark.process
def test_after_all_refusals_the_shop_still_sells(demo_shell):
    assert demo_shell.ask("pos sale --amount 3.00")["kind"] == "approved"


def test_every_refusal_of_a_new_payment_can_be_provoked():
    assert {each.reason for each in PROVOCATIONS} == set(Reason) - NOT_HERE
