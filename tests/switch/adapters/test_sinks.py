import asyncio

from switch.adapters.sinks import call_sink


async def test_a_sink_gets_its_outcome():
    outcomes = []
    call_sink(outcomes.append, 7)
    assert outcomes == [7]


async def test_what_a_sink_raises_is_reported_and_goes_no_further():
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, report: reported.append(report))

    def broken(_outcome):
        raise RuntimeError("a bug")

    call_sink(broken, 7)
    [report] = reported
    assert str(report["exception"]) == "a bug"
    assert report["message"] == "an append sink failed"
