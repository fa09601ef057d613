"""What every process measures of itself once a second: how late its loop is, what is ready."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from switch.adapters.telemetry import Telemetry

INTERVAL_S: Final = 1.0


async def measure_loop_delay(telemetry: Telemetry) -> AsyncIterator[float]:
    """Yield the delay (seconds) once a second, having told the metrics; readiness as well."""
    delay = telemetry.metrics.gauge("switch_loop_delay_seconds")
    ready = telemetry.metrics.gauge("switch_ready")
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + INTERVAL_S
        await asyncio.sleep(INTERVAL_S)
        late_s = max(0.0, loop.time() - due)
        delay.set(late_s)
        for part, reason in telemetry.readiness.parts().items():
            ready.labels(part).set(0 if reason else 1)
        yield late_s
