"""Every refusal that the demo's page promises, typed as the page says, against a real instance."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from switch.apps.addresses import read_addresses
from switch.demo.refusals import PROVOCATIONS
from switch.domain.declines import decline_of
from switch.domain.reasons import Reason

DEADLINE_S = 60.0
FREE_PORTS = {
    "SWITCH__GATEWAY__UNIONPAY_POS_ADDRESS": "127.0.0.1:0",
    "SWITCH__GATEWAY__ISO1987_ASCII_ADDRESS": "127.0.0.1:0",
    "SWITCH__HTTP__ADDRESS": "127.0.0.1:0",
    "SWITCH__ISSUER_SIMULATOR__ADDRESS": "127.0.0.1:0",
}
# what no sale in the demo world can meet: overload, repeats, reversals, faults, old requests, and
# whatever is said about the original of something else
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
    Reason.REVERSED_BY_TERMINAL,
    Reason.INTERNAL_FAULT,
    Reason.BATCH_FULL,
    Reason.SIGN_ON_TOO_OFTEN,
    Reason.MASTER_KEY_MISSING,
    Reason.KEY_SCHEME_REFUSED,
    Reason.PIN_UNUSABLE,
    Reason.REFUND_UNKNOWN,
    Reason.INQUIRY_UNANSWERED,
    Reason.ORIGINAL_NOT_FOUND,
    Reason.ORIGINAL_UNREADABLE,
    Reason.ORIGINAL_CARD_MISMATCH,
    Reason.ORIGINAL_HELD,
    Reason.ORIGINAL_NOT_OPEN,
    Reason.ORIGINAL_OF_OTHER_BATCH,
    Reason.ORIGINAL_TOO_OLD,
    Reason.ORIGINAL_AMOUNT_MISMATCH,
    Reason.REFUND_OVER_REST,
    Reason.COMPLETION_OVER_LIMIT,
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "data"
    command = [sys.executable, "-m", "switch", "up", "--demo", "--data", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | FREE_PORTS
    ) as process:
        deadline = time.monotonic() + DEADLINE_S
        while read_addresses(folder) is None:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield folder
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0


def ask(data_dir, arguments):
    command = [sys.executable, "-m", "switch", "pos", *arguments.split()]
    done = subprocess.run(
        [*command, "--data", str(data_dir), "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.process
@pytest.mark.parametrize("each", PROVOCATIONS, ids=lambda each: f"{each.reason.value}: {each.why}")
def test_the_command_is_answered_with_the_promised_reason(data_dir, each):
    for before in each.before:
        assert ask(data_dir, before)["kind"] == "approved"
    told = ask(data_dir, each.arguments)
    assert told.get("reason") == each.reason.value, told
    if each.detail:
        assert told["detail"] == each.detail
    if each.reason is not Reason.ISSUER_DECLINED:
        assert told["response_code"] == decline_of(each.reason).response_code
    assert not told.get("owes_reversal")


@pytest.mark.process
def test_after_all_refusals_the_shop_still_sells(data_dir):
    assert ask(data_dir, "sale --amount 3.00")["kind"] == "approved"


def test_every_refusal_of_a_new_payment_can_be_provoked():
    assert {each.reason for each in PROVOCATIONS} == set(Reason) - NOT_HERE
