from switch.domain.clock import Now
from switch.handlers.limits import DAYS_KEPT_COUNT


def test_daily_totals_of_days_long_past_are_forgotten(world, make_message):
    for day in range(12):
        world.send(make_message(stan=f"{day:06d}"))
        world.issuer_says("00")
        world.now = Now(world.now.wall_ms + 86_400_000, world.now.boot_ms + 1_000)
        world.partition.on_registry_confirmed(world.now.boot_ms)
    assert len(world.book._totals._days) == DAYS_KEPT_COUNT


def test_a_clock_that_ran_ahead_once_does_not_wipe_todays_totals(world, make_message):
    world.send(make_message())
    world.issuer_says("00")
    today = world.now
    world.now = Now(today.wall_ms + 365 * 86_400_000, today.boot_ms)
    world.send(make_message(stan="000124"))
    world.issuer_says("00")
    assert world.book.day_totals("898110154110001", today.wall_ms).count == 1
