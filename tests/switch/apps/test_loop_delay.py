import asyncio
import time

from switch.adapters.telemetry import make_telemetry
from switch.apps.loop_delay import INTERVAL_S, measure_loop_delay


async def test_a_loop_that_is_held_up_and_a_part_that_is_not_ready_show_in_the_metrics():
    telemetry = make_telemetry("test")
    metrics = telemetry.metrics
    telemetry.readiness.add("well", str)
    telemetry.readiness.add("ill", lambda: "no broker")
    held_s = INTERVAL_S + 0.2
    asyncio.get_running_loop().call_soon(time.sleep, held_s)
    async for late_s in measure_loop_delay(telemetry):
        assert late_s >= 0.1
        assert metrics.gauge("switch_loop_delay_seconds")._value.get() == late_s
        break
    text = (await metrics.render()).decode()
    assert 'switch_ready{part="well"} 1.0' in text
    assert 'switch_ready{part="ill"} 0.0' in text
