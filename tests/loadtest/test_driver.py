import pytest

from loadtest.driver import Driver
from loadtest.frames import DIALECT, make_templates
from loadtest.lean_terminal import LeanTerminal
from loadtest.scenario import Mix, Scenario
from loadtest.schedule import Step
from switch.codec import load_dialect

UNIONPAY = load_dialect(DIALECT)


@pytest.fixture
def drive(spec_of):
    async def drive_it(peer, **settings):
        return await run_driver(peer, spec_of, **settings)

    return drive_it


async def run_driver(peer, spec_of, *, rate=200.0, duration=0.5, terminals=4, **settings):
    scenario = Scenario(
        name="x",
        steps=(Step(rate_per_s=rate, duration_s=duration),),
        warmup_s=0.0,
        **{"mac_check_share": 1.0, **settings},
    )
    async with peer.listening() as address:
        pos = [
            LeanTerminal(spec_of(n), make_templates(UNIONPAY, spec_of(n)), 1)
            for n in range(1, terminals + 1)
        ]
        driver = Driver(scenario, UNIONPAY, pos, address)
        await driver.connect()
        try:
            await driver.run()
        finally:
            driver.close()
    return driver


async def test_everything_that_was_due_is_sent_and_answered(drive, stand_in):
    driver = await drive(stand_in())
    assert driver.tally.faults == {}
    assert driver.tally.begun == driver.tally.ended == 100
    assert driver.tally.intended_in_window == driver.tally.answered_in_window == 100
    assert driver.tally.latencies["authorization"].count == 100
    assert all(told.mac_valid for told in driver.told)


async def test_every_course_is_taken_and_its_answer_expected(drive, stand_in):
    mix = Mix(repeats=0.2, conflicts=0.2, reversals=0.2, declines=0.2)
    driver = await drive(stand_in(), mix=mix)
    assert driver.tally.faults == {}
    assert {told.kind for told in driver.told} == {"sale", "repeat", "conflict", "reversal"}
    assert driver.tally.responses.keys() == {"00", "51", "94"}
    assert set(driver.tally.latencies) == {"authorization", "repeat", "conflict", "reversal"}


async def test_a_slow_switch_is_charged_for_what_waited_behind_it(drive, stand_in):
    # one terminal, 10 ms an answer, 200 payments/s wanted: the queue grows to half a second
    driver = await drive(stand_in(delay_s=0.01), terminals=1, duration=0.5)
    assert driver.tally.faults == {}
    assert driver.tally.latencies["authorization"].max_us > 300_000


async def test_what_no_terminal_is_free_for_is_counted_beyond_the_bound(drive, stand_in):
    driver = await drive(stand_in(delay_s=0.05), terminals=1, waiting_count_max=2)
    assert driver.tally.faults["sale: not sent, no terminal was free"] > 50


async def test_a_terminal_reverses_what_was_not_answered(drive, stand_in):
    peer = stand_in(answers=False)
    driver = await drive(peer, rate=10, duration=0.1, terminals=1, answer_timeout_ms=50)
    assert [message.mti for message in peer.received] == ["0200", "0400", "0400", "0400"]
    assert driver.tally.faults == {"sale: no answer": 1, "reversal: no answer": 3}
    assert driver.tally.answered_in_window == 0


async def test_a_wrong_mac_is_seen(drive, stand_in):
    driver = await drive(stand_in(wrong_mac=True), rate=10, terminals=1)
    assert driver.tally.faults == {"sale: wrong MAC in the answer": 5}


async def test_nobody_listening_is_told(spec_of):
    with pytest.raises(OSError, match=r".+"):
        await Driver(
            Scenario(name="x", steps=(Step(rate_per_s=1, duration_s=1),)),
            UNIONPAY,
            [LeanTerminal(spec_of(1), make_templates(UNIONPAY, spec_of(1)), 1)],
            ("127.0.0.1", 1),
        ).connect()
