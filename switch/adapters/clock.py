"""The clocks of this machine, read in one place."""

import time
from typing import Final

from switch.domain.clock import Now

_NS_PER_MS: Final = 1_000_000
# Runs on while the machine sleeps; where there is none (not Linux), the monotonic clock is nearest.
_BOOT_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def read_clock() -> Now:
    """Read both clocks, in milliseconds."""
    return Now(
        time.time_ns() // _NS_PER_MS,
        time.clock_gettime_ns(_BOOT_CLOCK) // _NS_PER_MS,
    )


def read_boot_ms() -> int:
    """Read only the clock that waits are measured on."""
    return time.clock_gettime_ns(_BOOT_CLOCK) // _NS_PER_MS
