"""How late the event loop is: measured once a second, in every process."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from switch.adapters.telemetry import Metrics

INTERVAL_S: Final = 1.0


async def measure_loop_delay(metrics: Metrics) -> AsyncIterator[float]:
    """Yield the delay (seconds) once a second, having told the metrics."""
    delay = metrics.gauge("switch_loop_delay_seconds")
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + INTERVAL_S
        await asyncio.sleep(INTERVAL_S)
        late_s = max(0.0, loop.time() - due)
        delay.set(late_s)
        yield late_s
