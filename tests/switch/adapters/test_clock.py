import time

from switch.adapters.clock import read_boot_ms, read_clock


def test_the_wall_clock_is_utc_since_the_epoch() -> None:
    before = time.time() * 1000
    assert before - 1 <= read_clock().wall_ms <= time.time() * 1000 + 1


def test_the_boot_clock_never_falls_back() -> None:
    readings = [read_clock().boot_ms for _ in range(1000)]
    assert readings == sorted(readings)
    assert read_boot_ms() >= readings[-1]
