from hypothesis import given
from hypothesis import strategies as st

from switch.domain.clock import Now
from switch.domain.payment.rules import DecisionRules
from switch.handlers.book import DAYS_KEPT_COUNT, STAN_MAX, PartitionBook

RULES = DecisionRules()


def test_limits_hold_room_for_what_is_running_and_give_it_back(world, make_message):
    world.send(make_message())
    assert world.book.day_totals("898110154110001", world.now.wall_ms).amount_minor == 100
    world.issuer_says("00")
    world.send(make_message(stan="000124", amount_transaction="000000000050"))
    assert world.book.day_totals("898110154110001", world.now.wall_ms).amount_minor == 150
    world.issuer_says("51")
    assert world.book.day_totals("898110154110001", world.now.wall_ms).amount_minor == 100


def test_a_declined_request_takes_no_room(world, make_message):
    world.send(make_message(currency="840"))
    assert world.book.day_totals("898110154110001", world.now.wall_ms).count == 0


def test_two_books_given_the_same_records_remember_the_same(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    world.send(make_message("0400"))
    world.pass_ms(100)
    first, second = PartitionBook(1, 4, RULES), PartitionBook(1, 4, RULES)
    for record in world.journal:
        first.apply(record)
        second.apply(record)
    assert vars(first) == vars(second)
    assert vars(first) == vars(world.book)


@given(st.integers(0, 3))
def test_trace_numbers_of_two_partitions_never_meet(partition):
    book = PartitionBook(partition, 4, RULES)
    assert int(book.next_upstream_stan()) % 4 == partition


def test_the_trace_number_wraps_and_skips_those_of_open_payments(world):
    book = world.book
    book._upstream_stan = STAN_MAX - 2  # 999,997 is the last of partition 1 of 4
    assert book.next_upstream_stan() == "000001"
    book._upstream_stans_open.add("000001")
    assert book.next_upstream_stan() == "000005"


def test_a_tombstone_stands_for_its_time_only(world, make_message):
    world.send(make_message("0400"))
    key = "demo|898110154110001|00000001|000001|000123|payment"
    assert world.book.is_tombstoned(key, world.now.wall_ms)
    assert not world.book.is_tombstoned(key, world.now.wall_ms + RULES.tombstone_ms)


def test_payments_that_are_settled_are_not_open(world, make_message):
    world.send(make_message())
    assert len(world.book.open_rrns) == 1
    world.issuer_says("00")
    assert len(world.book.open_rrns) == 0
    assert len(world.book) == 1


def test_tombstones_that_are_over_are_forgotten(world, make_message):
    world.send(make_message("0400"))
    world.now = Now(world.now.wall_ms + RULES.tombstone_ms, world.now.boot_ms)
    world.send(make_message("0400", stan="000124"))
    assert len(world.book._tombstones) == 1


def test_stored_answers_of_reversals_are_forgotten_in_the_end(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    world.send(make_message("0400"))
    world.now = Now(world.now.wall_ms + RULES.reversal_answer_ms + 1, world.now.boot_ms)
    world.send(make_message("0400", stan="000124"))
    assert len(world.book._reversals) == 1
    assert world.answers(world.send(make_message("0400"))) == ["00"]


def test_daily_totals_of_days_long_past_are_forgotten(world, make_message):
    for day in range(12):
        world.send(make_message(stan=f"{day:06d}"))
        world.issuer_says("00")
        world.now = Now(world.now.wall_ms + 86_400_000, world.now.boot_ms + 1_000)
        world.partition.on_registry_confirmed(world.now.boot_ms)
    assert len(world.book._totals) == DAYS_KEPT_COUNT


def test_a_clock_that_ran_ahead_once_does_not_wipe_todays_totals(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    today = world.now
    world.now = Now(today.wall_ms + 365 * 86_400_000, today.boot_ms)
    world.send(make_message(stan="000124"))
    world.issuer_says("00")
    assert world.book.day_totals("898110154110001", today.wall_ms).count == 1
