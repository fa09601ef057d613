"""docs/rules.md 4 and 5: the issuer's word and its silence, and what an 0400 meets."""

import pytest

from switch.domain.declines import CATALOGUE, IssuerOutcome
from switch.domain.payment.requests import APPROVED_CODES
from switch.domain.registry.entities import MerchantStatus, TerminalStatus

PAN_B = "6243030000000001"
HOUR_MS = 3_600_000
UNKNOWN_CODES = sorted(
    code for code, one in CATALOGUE.issuer_codes.items() if one.outcome is IssuerOutcome.UNKNOWN
)
# what is asked, whether it needs something first, and its first message upstream
REVERSED_WHEN_UNKNOWN = ["sale", "instalment", "pre-auth", "completion", "void", "pre-auth void"]


def begin(till, kind):
    """Ask, with an original where the kind has one."""
    first = {"completion": "pre-auth", "pre-auth void": "pre-auth", "void": "sale"}.get(kind)
    return till.ask(kind, of=till.get(first) if first else None)


def case_kinds(world):
    return [
        event.kind
        for record in world.journal
        for event in record.events
        if type(event).__name__ == "CaseOpened"
    ]


# -- the issuer's word -----------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(APPROVED_CODES - {"10"}))
def test_these_codes_approve(world, till, code):
    sale = till.ask()
    world.answer_of_issuer(sale.rrn, code)
    assert (till.told(sale), till.payment(sale).phase.value) == (code, "approved")


@pytest.mark.parametrize("code", UNKNOWN_CODES)
@pytest.mark.parametrize("kind", REVERSED_WHEN_UNKNOWN)
def test_an_unknown_debit_hold_completion_or_void_is_98_and_reversed_until_answered(
    world, till, kind, code
):
    asked = begin(till, kind)
    world.answer_of_issuer(asked.rrn, code)
    assert till.told(asked) == "98"
    assert till.payment(asked).phase.value == "reversing"
    world.pass_ms(100)
    world.answer_of_issuer(asked.rrn, "00", kind="reversal")
    assert till.payment(asked).phase.value == "reversed"


@pytest.mark.parametrize("kind", REVERSED_WHEN_UNKNOWN)
def test_98_is_told_only_once_the_intent_to_reverse_is_durable(world, till, kind):
    asked = begin(till, kind)
    world.pass_ms(3_200, acknowledged=False)
    assert till.told(asked) == ""
    world.acknowledge()
    assert till.told(asked) == "98"


@pytest.mark.parametrize("code", UNKNOWN_CODES)
def test_an_unknown_refund_is_98_and_repeated(world, till, code):
    refund = till.ask("refund", of=till.get())
    world.answer_of_issuer(refund.rrn, code)
    assert (till.told(refund), till.why(refund)) == ("98", "refund-unknown")
    world.pass_ms(100)
    assert world.sent_kinds()[-1] == "0221"


@pytest.mark.parametrize("how", ["silence", "code", "link"])
def test_an_unknown_inquiry_ends(world, till, how):
    inquiry = till.ask("inquiry")
    if how == "silence":
        world.pass_ms(3_200)
    elif how == "code":
        world.answer_of_issuer(inquiry.rrn, "96")
    else:
        world.set_line(is_up=False)
    assert (till.told(inquiry), till.why(inquiry)) == ("91", "inquiry-unanswered")
    world.set_line(is_up=True)
    world.pass_ms(5_000)
    assert world.sent_kinds() == ["0200"]
    assert till.payment(inquiry).money_state.value == "not-debited"


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("00", {"amount_transaction": "000000000099"}),
        ("00", {"currency": "840"}),
        ("00", {"amount_transaction": "garbage"}),
        ("", {}),
    ],
    ids=["amount", "currency", "garbage", "no code"],
)
@pytest.mark.parametrize("kind", ["sale", "pre-auth", "void", "completion"])
def test_an_approval_that_is_not_of_what_was_asked_is_unknown(till, kind, code, fields):
    asked = begin(till, kind)
    till._world.answer_of_issuer(asked.rrn, code, **fields)
    assert till.told(asked) == "98"


def test_the_first_valid_answer_wins(world, till):
    sale = till.ask()
    world.answer_of_issuer(sale.rrn, "00", authorization_id="FIRST1")
    world.answer_of_issuer(sale.rrn, "00", authorization_id="OTHER2")
    assert till.payment(sale).answer.authorization_id == "FIRST1"
    assert case_kinds(world) == []
    world.answer_of_issuer(sale.rrn, "51")
    assert case_kinds(world) == ["late-answer-contradicts"]
    assert till.told(till.repeat(sale)) == "00"


def test_a_decline_that_is_followed_by_an_approval_is_a_case_and_stays_a_decline(world, till):
    sale = till.ask()
    world.answer_of_issuer(sale.rrn, "51")
    world.answer_of_issuer(sale.rrn, "00")
    assert case_kinds(world) == ["late-answer-contradicts"]
    assert till.told(till.repeat(sale)) == "51"


# -- the 0400: always answered, only 00 or 25 ------------------------------------------------------


def test_an_0400_with_a_wrong_mac_takes_nothing_back(world, till, make_message):
    sale = till.get()
    fields = {**sale.fields, "response_code": "98"}
    asked = world.send(make_message("0400", wrong_mac=True, **fields))
    assert world.answers(asked) == ["A0"]
    assert not till.payment(sale).reverse_requested


OBSTACLES = {
    "merchant closed": lambda world: world.change_merchant(status=MerchantStatus.CLOSED),
    "merchant incomplete": lambda world: world.change_merchant(fee_plan=None),
    "merchant may not": lambda world: world.change_merchant(transactions=()),
    "limits": lambda world: world.change_merchant(amount_max_minor=1, daily_count_max=0),
    "terminal disabled": lambda world: world.change_terminal(status=TerminalStatus.DISABLED),
    "terminal lost": lambda world: world.change_terminal(
        status=TerminalStatus.LOST, lost_at=world.now.wall_ms
    ),
    "terminal re-bound": lambda world: world.change_terminal(merchant_id="898110154110009"),
    "signed off": lambda world: world.change_terminal(signed_on=False),
    "other batch": lambda world: world.change_terminal(batch="000044"),
    "line down": lambda world: world.set_line(is_up=False),
    "registry old": lambda world: world.partition.on_registry_confirmed(0),
}


@pytest.mark.parametrize("obstacle", OBSTACLES.values(), ids=OBSTACLES)
@pytest.mark.parametrize("kind", ["sale", "pre-auth", "void", "completion"])
def test_an_0400_is_answered_whatever_the_registry_batch_or_limits_say(world, till, kind, obstacle):
    asked = begin(till, kind)
    world.answer_of_issuer(asked.rrn, "00")
    obstacle(world)
    assert till.told(till.take_back(asked)) == "00"
    assert till.payment(asked).phase.value == "reversing"


@pytest.mark.parametrize("kind", ["sale", "instalment", "pre-auth", "void", "completion"])
@pytest.mark.parametrize("moment", ["running", "approved", "declined", "unknown", "reversed"])
def test_a_reversal_of_anything_is_answered_and_never_left_pending(world, till, kind, moment):
    asked = begin(till, kind)
    codes = {"approved": "00", "declined": "51", "unknown": "68", "reversed": "68"}
    if moment in codes:
        world.answer_of_issuer(asked.rrn, codes[moment])
    world.pass_ms(100)
    if moment == "reversed":
        world.answer_of_issuer(asked.rrn, "00", kind="reversal")
    assert till.told(till.take_back(asked)) == "00"
    assert till.told(till.take_back(asked, mti="0401")) == "00"
    if moment == "running":
        world.answer_of_issuer(asked.rrn, "00")
    world.pass_ms(200)
    if till.payment(asked).phase.value == "reversing":
        world.answer_of_issuer(asked.rrn, "00", kind="reversal")
    assert till.payment(asked).phase.value in {"reversed", "declined"}
    assert world.partition.open_count == 0


@pytest.mark.parametrize("change", [{"amount_transaction": "000000000101"}, {"pan": PAN_B}])
@pytest.mark.parametrize("kind", ["sale", "pre-auth", "void", "completion", "refund"])
def test_an_0400_that_does_not_fit_is_25_a_case_and_leaves_its_original_alone(
    world, till, kind, change
):
    asked = till.ask(kind, of=till.get()) if kind == "refund" else begin(till, kind)
    world.answer_of_issuer(asked.rrn, "00")
    reversal = till.take_back(asked, **change)
    assert till.told(reversal) == "25"
    assert case_kinds(world) == ["reversal-mismatch"]
    assert till.payment(asked).phase.value == "approved"
    assert till.told(till.take_back(asked)) == "00", "the right one is still taken"


def test_an_original_that_is_not_in_the_quoted_batch_is_looked_for_in_its_neighbours(till):
    sale = till.get()
    for batch in ("000002", "999999"):
        assert till.told(till.take_back(sale, batch_data=f"22{batch}00050")) == "00"
    assert till.payment(sale).reverse_requested


@pytest.mark.parametrize("change", [{"amount_transaction": "000000000101"}, {"pan": PAN_B}])
def test_in_a_neighbouring_batch_card_and_amount_must_be_the_same(world, till, change):
    sale = till.get()
    reversal = till.take_back(sale, batch_data="2200000200050", **change)
    assert till.told(reversal) == "00"
    assert "TombstoneSet" in world.tags()
    assert not till.payment(sale).reverse_requested


@pytest.mark.parametrize("kind", ["sale", "pre-auth", "void", "completion", "offline", "inquiry"])
def test_whatever_meets_its_tombstone_is_refused_and_debits_nothing(world, till, kind):
    first = {"completion": "pre-auth", "void": "sale"}.get(kind)
    of = till.get(first) if first else None
    sent = len(world.sent)
    early = till.ask(kind, of=of, mti="0400", response_code="98")
    assert till.told(early) == "00"
    fields = {name: value for name, value in early.fields.items() if name != "response_code"}
    late = till._send({"pre-auth": "0100", "offline": "0220"}.get(kind, "0200"), fields)
    assert (till.told(late), till.why(late)) == ("94", "late-after-reversal")
    assert len(world.sent) == sent


def test_a_tombstone_stands_for_48_hours(world, till):
    early = till.ask(mti="0400", response_code="98")
    fields = {name: value for name, value in early.fields.items() if name != "response_code"}
    world.jump(48 * HOUR_MS - 1)
    assert till.told(till._send("0200", fields)) == "94"
    world.jump(1)
    assert till.told(till._send("0200", fields)) == ""


def test_the_answer_to_an_0400_is_kept_for_its_repeats(world, till):
    sale = till.get()
    first = till.take_back(sale)
    world.pass_ms(200)
    world.answer_of_issuer(sale.rrn, "00", kind="reversal")
    again = till.take_back(sale, mti="0401")
    assert world.raw_replies[again.inbound_id][0][2:] == world.raw_replies[first.inbound_id][0][2:]
    assert world.tags().count("ReversalRequested") == 1


def test_a_reversal_whose_debit_was_never_answered_is_repeated_once_whatever_was_said(world, till):
    sale = till.ask()
    world.pass_ms(3_200)
    for _ in range(2):
        assert till.payment(sale).phase.value == "reversing"
        world.answer_of_issuer(sale.rrn, "25", kind="reversal")
        world.pass_ms(6_200)
    assert case_kinds(world) == ["reversal-not-found"]
    assert world.sent_kinds() == ["0200", "0420", "0421"]


def test_an_answer_that_nobody_waits_for_is_kept_and_given_to_the_repeat(world, till):
    sale = till.ask()
    world.restart()  # who waited is forgotten with the old process
    world.answer_of_issuer(sale.rrn, "00")
    assert till.told(sale) == ""
    assert till.told(till.repeat(sale)) == "00"
    assert world.sent_kinds() == ["0200"]
