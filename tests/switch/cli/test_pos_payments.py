"""Every payment of a cashier against a real demo instance; what its issuer holds is the judge."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from switch.apps.addresses import read_addresses
from tests.environment import CALM_SWITCH

pytestmark = pytest.mark.process
DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "data"
    command = [sys.executable, "-m", "switch", "up", "--demo", "--data", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | CALM_SWITCH
    ) as process:
        try:
            deadline = time.monotonic() + DEADLINE_S
            while read_addresses(folder) is None:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield folder
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0


@pytest.fixture
def pay(data_dir):
    def run(*arguments, kind="approved", **options):
        named = [text for name, value in options.items() for text in (f"--{name}", value)]
        command = [sys.executable, "-m", "switch", "pos", *arguments, *named]
        command += ["--data", str(data_dir), "--format", "json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        ended = json.loads(done.stdout)
        assert ended["kind"] == kind, ended
        return ended

    return run


def read_ops(data_dir, rrn):
    lines = (data_dir / "issuer-ledger.jsonl").read_text().splitlines()
    return [line["op"] for line in map(json.loads, lines) if line.get("rrn") == rrn]


def wait_for_ops(data_dir, rrn, *ops):
    deadline = time.monotonic() + DEADLINE_S
    while read_ops(data_dir, rrn) != list(ops):
        assert time.monotonic() < deadline, read_ops(data_dir, rrn)
        time.sleep(0.02)


@pytest.fixture(params=["unionpay-pos", "iso1987-ascii"])
def channel(request):
    return request.param


def test_a_sale_is_voided_once(data_dir, pay, channel):
    sale = pay("sale", amount="10.00", channel=channel)
    void = pay("void", channel=channel)
    assert void["original_rrn"] == sale["rrn"]
    assert read_ops(data_dir, void["rrn"]) == ["void"]
    again = pay("void", rrn=sale["rrn"], channel=channel, kind="declined")
    assert again["response_code"] == "25"


def test_a_sale_is_refunded_in_parts_and_never_beyond(data_dir, pay, channel):
    sale = pay("sale", amount="10.00", channel=channel)
    for _ in range(2):
        refund = pay("refund", amount="4.00", channel=channel)
        assert refund["original_rrn"] == sale["rrn"]
        wait_for_ops(data_dir, refund["rrn"], "credit")
    assert pay("refund", amount="4.00", channel=channel, kind="declined")["response_code"] == "61"


def test_what_is_held_is_completed_voided_and_released(pay, channel):
    pay("pre-auth", amount="100.00", channel=channel)
    held = pay("complete", amount="115.01", channel=channel, kind="declined")
    assert held["response_code"] == "61"
    pay("complete", amount="115.00", channel=channel)
    pay("complete-void", channel=channel)
    pay("pre-auth-void", channel=channel)
    assert pay("complete", channel=channel, amount="1.00", rrn="0" * 12, kind="declined")


def test_a_completion_may_be_reported(data_dir, pay, channel):
    pay("pre-auth", amount="30.00", channel=channel)
    advice = pay("complete", "--advice", amount="30.00", channel=channel)
    wait_for_ops(data_dir, advice["rrn"], "debit")


def test_an_offline_sale_is_told_to_its_issuer(data_dir, pay, channel):
    offline = pay("offline", amount="3.00", channel=channel)
    wait_for_ops(data_dir, offline["rrn"], "debit")


def test_a_tip_is_a_new_total_for_the_sale(pay):
    sale = pay("sale", amount="20.00")
    tip = pay("adjust", "--tip", amount="23.00")
    assert tip["original_rrn"] == sale["rrn"]


def test_a_balance_is_shown_and_a_wrong_pin_is_refused(pay):
    assert pay("balance", pin="123456")["balances"]
    assert pay("balance", pin="654321", kind="declined")["response_code"] == "55"
    assert pay("sale", pin="123456", amount="1.00")["rrn"]


def test_an_instalment_sale_is_a_sale_that_can_be_voided(pay):
    sale = pay("sale", "--instalment", amount="7.00")
    assert pay("void")["original_rrn"] == sale["rrn"]


def test_the_e_cash_forms_are_one_dialects_only(pay):
    sale = pay("offline", "--e-cash", amount="2.00")
    assert pay("refund", "--e-cash", amount="1.00")["original_rrn"] == sale["rrn"]


def test_a_void_is_taken_back_and_can_be_given_again(data_dir, pay):
    sale = pay("sale", amount="6.00")
    void = pay("void")
    pay("reverse", reason="96", kind="reversed")
    wait_for_ops(data_dir, void["rrn"], "void", "reversal")
    assert pay("void")["original_rrn"] == sale["rrn"]


def test_a_refund_whose_answer_was_lost_is_sent_again_before_the_next_sale(data_dir, pay):
    pay("sale", amount="5.00")
    lost = pay("refund", "--drop-answer", amount="5.00", kind="unanswered")
    assert lost["owes_repeat"]
    sale = pay("sale", amount="1.00")
    earlier = sale["earlier"]
    assert (earlier["operation"], earlier["stan"], earlier["amount_minor"], earlier["kind"]) == (
        "refund",
        lost["stan"],
        500,
        "approved",
    )
    lines = (data_dir / "issuer-ledger.jsonl").read_text().splitlines()
    credits_ = [line for line in map(json.loads, lines) if line["op"] == "credit"]
    assert credits_[-1]["amount_minor"] == 500
    assert [line["rrn"] for line in credits_].count(credits_[-1]["rrn"]) == 1


@pytest.mark.parametrize("terminal", ["00000041", "00000042", "00000043", "00000044"])
def test_a_day_at_the_counter_is_balanced_whatever_the_keys(pay, terminal):
    assert pay("echo", terminal=terminal)
    batch = pay("sign-on", terminal=terminal)["batch"]
    pay("sale", amount="20.00", terminal=terminal)
    pay("adjust", "--tip", amount="23.00", terminal=terminal)
    pay("sale", amount="10.00", terminal=terminal)
    pay("void", terminal=terminal)
    pay("sale", amount="9.00", terminal=terminal)
    pay("reverse", reason="06", kind="reversed", terminal=terminal)
    pay("pre-auth", amount="50.00", terminal=terminal)
    pay("complete", amount="55.00", terminal=terminal)
    pay("offline", amount="3.00", terminal=terminal)
    pay("sale", amount="8.00", terminal=terminal)
    pay("refund", amount="2.00", terminal=terminal)
    ended = pay("settle", terminal=terminal)["settlement"]
    # 20, its new total 23, 10, 55, 3, 8; 10 and 2 back; what was reversed counts on neither side
    assert ended["totals"] == ended["switch_totals"] == [11_900, 6, 1_200, 2]
    after = pay("sale", amount="1.00", terminal=terminal)
    assert int(after["batch"]) == int(batch) + 1


def test_a_sign_off_which_anybody_may_have_sent_binds_nobody_who_proves_the_keys(pay):
    pay("sign-off", terminal="00000041")
    pay("sale", amount="1.00", terminal="00000041")
    pay("sign-on", terminal="00000041")
    pay("sale", amount="1.00", terminal="00000041")


def test_a_script_notice_is_taken(pay):
    sale = pay("sale", amount="1.00")
    assert pay("script-notice", rrn=sale["rrn"])["original_rrn"] == sale["rrn"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("void", "--terminal", "99999999"),  # it has no sale yet
        ("void", "--stan", "999999"),  # nor that one, and nobody says how much it was
        ("refund", "--rrn", "010000000001"),
        ("refund", "--amount", "x", "--rrn", "010000000001"),
        ("script-notice", "--result", "xyz", "--rrn", "010000000001"),
        ("adjust", "--amount", "1", "--rrn", "010000000001", "--channel", "iso1987-ascii"),
        ("sale", "--amount", "1", "--pin", "123"),
        ("sale", "--amount", "1", "--pin", "1234", "--terminal", "00000043"),
    ],
)
def test_wrong_arguments_end_with_exit_code_2(data_dir, arguments):
    command = [sys.executable, "-m", "switch", "pos", *arguments, "--data", str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr
