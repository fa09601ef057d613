"""What a partition remembers of payments, and for how long (docs/rules.md 2)."""

import pytest

from switch.domain.registry.entities import TerminalStatus
from switch.handlers.forgetting import LOOKED_AT_COUNT_MAX

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
SHOP = ("demo", "898110154110001")
TERMINAL = (*SHOP, "00000001")


@pytest.fixture
def settle(world, till):
    """Close the open batch as its terminal would; the next one has the following number."""

    def close():
        till.batch = world.close_batch(till.batch)

    return close


def look(world, till):
    """Let something be recorded, so that what is due is looked at."""
    till.ask("inquiry")
    return {payment.rrn for payment in world.book._shelf._payments.values()}


def test_the_open_batch_is_remembered_however_old_it_is(world, till):
    sale = till.get()
    world.jump(29 * DAY_MS)
    assert sale.rrn in look(world, till)


def test_a_closed_batch_is_remembered_for_seven_days(world, till, settle):
    sale = till.get()
    settle()
    world.jump(7 * DAY_MS)
    assert sale.rrn in look(world, till)
    world.jump(2 * HOUR_MS)
    assert sale.rrn not in look(world, till)
    assert world.book.find_by_key("demo|898110154110001|00000001|000001|000001|payment") is None


def test_a_repeat_within_those_days_gets_its_stored_answer(world, till, settle):
    sale = till.ask()
    world.answer_of_issuer(sale.rrn, "51")
    settle()
    world.jump(6 * DAY_MS)
    assert till.told(till.repeat(sale)) == "51"


def test_a_repeat_after_those_days_is_refused_because_its_batch_is_not_open(world, till, settle):
    sale = till.get()
    settle()
    world.jump(8 * DAY_MS)
    look(world, till)
    sent = len(world.sent)
    again = till.repeat(sale)
    assert (till.told(again), till.why(again)) == ("77", "batch-mismatch")
    assert len(world.sent) == sent


def test_what_was_refused_for_its_batch_is_forgotten_although_nobody_closes_that(world, till):
    refused = till.ask(batch_data="2200077700050")
    assert till.told(refused) == "77"
    assert world.book.rrns_of_batch(TERMINAL, "000777") == []
    world.jump(8 * DAY_MS)
    assert refused.rrn not in look(world, till)


@pytest.mark.parametrize(
    "change",
    [{"signed_on": False}, {"status": TerminalStatus.DISABLED}, {"merchant_id": "898110154110002"}],
)
def test_what_was_refused_before_it_was_of_a_batch_is_forgotten_although_that_stays_open(
    world, till, change
):
    world.change_terminal(**change)
    refused = till.ask()
    assert till.told(refused) not in {"00", ""}
    assert world.book.rrns_of_batch(TERMINAL, "000001") == []
    world.jump(7 * DAY_MS - 1)
    assert till.told(till.repeat(refused)) == till.told(refused), "its answer is stored until then"
    world.jump(3 * HOUR_MS)
    assert refused.rrn not in look(world, till)


def test_a_terminal_that_does_not_settle_its_full_batch_fills_no_memory(world, till):
    till.get()
    world.jump(30 * DAY_MS + 1)
    for amount in range(300, 310):
        assert till.why(till.ask(amount=amount)) == "batch-full"
    assert len(world.book.rrns_of_batch(TERMINAL, "000001")) == 1
    world.jump(7 * DAY_MS + HOUR_MS)
    assert len(look(world, till)) == 2, "the open batch's one, and what looked"


def test_of_a_batch_that_nobody_settles_only_the_first_payment_is_left_in_the_end(
    world, till, other_till
):
    first, *others = [till.get(amount=amount) for amount in (301, 302, 303)]
    world.jump(180 * DAY_MS)
    assert {one.rrn for one in others} <= look(world, other_till)
    world.jump(2 * HOUR_MS)
    look(world, other_till)
    assert world.book.rrns_of_batch(TERMINAL, "000001") == [first.rrn]
    world.jump(7 * DAY_MS + HOUR_MS)
    left = look(world, other_till)
    assert first.rrn in left
    assert not {one.rrn for one in others} & left
    again = till.repeat(others[0])
    assert (till.told(again), till.why(again)) == ("77", "batch-full"), "it is not debited again"
    assert world.book.holds_batch(TERMINAL, "000001"), "a 0500 still finds something to close"


def test_a_day_of_payments_is_not_forgotten_in_one_go(world, till, settle):
    count = LOOKED_AT_COUNT_MAX + 10
    for _ in range(count):
        till.ask(currency="840")
    settle()
    world.jump(7 * DAY_MS + HOUR_MS)
    assert len(look(world, till)) == 10 + 1
    world.pass_ms(1_000)
    assert len(look(world, till)) == 2, "the rest goes with the next record"


def test_an_open_hold_lives_for_thirty_days(world, till, settle):
    hold = till.get("pre-auth")
    settle()
    for _ in range(30):
        world.jump(DAY_MS)
        assert hold.rrn in look(world, till)
    world.jump(2 * DAY_MS)
    assert hold.rrn not in look(world, till)


@pytest.mark.parametrize("touched", ["refund", "adjustment"])
def test_a_payment_that_was_changed_and_has_something_left_lives_for_180_days(
    world, till, settle, touched
):
    sale = till.get()
    if touched == "refund":
        till.get("refund", 40, of=sale)
    else:
        world.answer_of_issuer(_told(world, till.ask("adjustment", 150, of=sale)).rrn, "00")
    settle()
    for _ in range(6):
        world.jump(29 * DAY_MS)
        settle()
        assert sale.rrn in look(world, till)
    world.jump(8 * DAY_MS)
    assert sale.rrn not in look(world, till)


def _told(world, asked):
    world.pass_ms(100)
    return asked


def test_what_is_still_open_is_never_forgotten(world, till, settle):
    unknown = till.ask()
    world.answer_of_issuer(unknown.rrn, "68")
    world.set_line(is_up=False)
    settle()
    for _ in range(20):
        world.jump(DAY_MS)
        till.ask("offline", amount=7)
    assert till.payment(unknown).phase.value == "reversing"
    world.set_line(is_up=True)
    world.pass_ms(200)
    world.answer_of_issuer(unknown.rrn, "00", kind="reversal")
    assert till.payment(unknown).phase.value == "reversed"


@pytest.mark.parametrize("spent_by", ["void", "refund", "reversal"])
def test_a_payment_of_which_nothing_is_left_leaves_a_number_that_says_so(
    world, till, settle, spent_by
):
    sale = till.get()
    if spent_by == "reversal":
        till.take_back(sale)
        world.pass_ms(200)
        world.answer_of_issuer(sale.rrn, "00", kind="reversal")
    else:
        till.get(spent_by, of=sale)
    settle()
    world.jump(8 * DAY_MS)
    assert sale.rrn not in look(world, till)
    assert world.book.is_spent(sale.rrn)
    refund = till.ask("refund", 1, of=sale)
    assert (till.told(refund), till.why(refund)) == ("25", "original-not-found")
    assert world.wanted_originals == [], "nothing needs to be read to know that"


def test_a_late_copy_of_an_inquiry_does_not_make_a_purchase_an_old_one(till):
    inquiry = till.get("inquiry")
    sale = till.get()
    till.repeat(inquiry)
    assert till.told(till.repeat(sale)) == "00"


def test_everything_about_a_forgotten_payment_is_forgotten(world, till, settle):
    for kind in ("sale", "pre-auth", "instalment", "inquiry"):
        till.get(kind, 321)
    settle()
    world.jump(40 * DAY_MS)
    till.ask("inquiry", batch_data="0100077700050")
    shelf = world.book._shelf
    [left] = shelf._payments.values()
    assert set(shelf._rrn_by_key.values()) == {left.rrn}
    [drawer] = shelf._drawers.values()
    assert (set(drawer.by_stan.values()), drawer.alike, drawer.latest) == ({left.rrn}, {}, "")
    assert set(shelf._rrn_by_card.values()) == {left.rrn}
    assert (shelf._holds, shelf._batches) == ({}, {})


def test_a_take_over_remembers_and_forgets_the_same(world, till, settle):
    sale, hold = till.get(), till.get("pre-auth")
    till.get("refund", 30, of=sale)
    world.jump(8 * DAY_MS)
    look(world, till)
    before = world.book
    world.restart()
    assert world.book == before
    assert {sale.rrn, hold.rrn} <= look(world, till)
    assert settle


# -- the bounds of a batch -------------------------------------------------------------------------


def test_a_batch_that_is_open_for_too_many_days_must_be_settled(world, till, settle):
    till.get()
    world.jump(30 * DAY_MS + 1)
    refused = till.ask(amount=300)
    assert (till.told(refused), till.why(refused)) == ("77", "batch-full")
    settle()
    assert till.told(till.get(amount=300)) == "00"


def test_a_full_batch_must_be_settled_but_is_still_served(world, till, settle, monkeypatch):
    world.is_replayable = False
    sale = till.get()
    rules = world.partition._settings.rules
    full = type(rules)(batch_count_max=1)
    monkeypatch.setattr(world.partition._requests, "_settings", _with_rules(world, full))
    refused = till.ask(amount=300)
    assert (till.told(refused), till.why(refused)) == ("77", "batch-full")
    assert till.told(till.ask("offline", amount=300)) == "00", "it has happened"
    assert till.told(till.take_back(sale)) == "00"
    settle()
    assert till.told(till.get(amount=300)) == "00"


def _with_rules(world, rules):
    settings = world.partition._settings
    return type(settings)(
        **{
            name: rules if name == "rules" else getattr(settings, name)
            for name in settings.__struct_fields__
        }
    )
