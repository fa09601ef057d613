from switch.domain.clock import Now
from switch.domain.payment.rules import DecisionRules
from switch.handlers.book import PartitionBook

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
