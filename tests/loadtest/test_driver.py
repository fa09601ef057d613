"""The driver against a stand-in listener that plays switch and issuer in a few lines."""

import asyncio
import contextlib

import pytest

from loadtest.driver import Driver
from loadtest.frames import DIALECT, TRANSPORT_BYTES, make_templates
from loadtest.lean_terminal import LeanTerminal
from loadtest.scenario import Mix, Scenario
from loadtest.schedule import Step
from loadtest.terminal_list import TerminalSpec
from switch.codec import Message, load_dialect

UNIONPAY = load_dialect(DIALECT)


def spec(number):
    return TerminalSpec(
        acquirer="demo",
        merchant_id="898110154110001",
        terminal_id=f"{number:08d}",
        batch="000001",
        mak="1C1C1C1C1C1C1C1C",
        pan="6200000000000005",
    )


MAC_KEY = make_templates(UNIONPAY, spec(1)).mac_key


class StandIn:
    """Approves, declines ..51, refuses a known key with another amount; may misbehave."""

    def __init__(self, *, delay_s=0.0, answers=True, wrong_mac=False):
        self.delay_s = delay_s
        self.answers = answers
        self.wrong_mac = wrong_mac
        self.amounts = {}
        self.received = []
        self.serving = set()

    async def serve(self, reader, writer):
        self.serving.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                frame = await reader.readexactly(length)
                await asyncio.sleep(self.delay_s)
                if answer := self.answer(frame):
                    writer.write(len(answer).to_bytes(2, "big") + answer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def answer(self, frame):
        message = UNIONPAY.decode(frame[TRANSPORT_BYTES:])
        self.received.append(message)
        if not self.answers:
            return b""
        fields, amount = message.fields, int(message.fields["amount_transaction"])
        code = "51" if amount % 100 == 51 else "00"
        key = (fields["terminal_id"], fields["stan"])
        if message.mti == "0200" and self.amounts.setdefault(key, amount) != amount:
            code = "94"
        content = {
            "stan": fields["stan"],
            "rrn": f"{int(fields['terminal_id']):06d}{fields['stan']}",
            "response_code": code,
            "mac": b"00000000",
        }
        encoded = UNIONPAY.encode(Message(f"{message.mti[:2]}10", content))[:-8]
        mac = b"FFFFFFFF" if self.wrong_mac else MAC_KEY.compute(encoded)
        return frame[:TRANSPORT_BYTES] + encoded + mac


async def drive(stand_in, *, rate=200.0, duration=0.5, terminals=4, **settings):
    scenario = Scenario(
        name="x",
        steps=(Step(rate_per_s=rate, duration_s=duration),),
        warmup_s=0.0,
        **{"mac_check_share": 1.0, **settings},
    )
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", 0)
    async with server:
        pos = [
            LeanTerminal(spec(n), make_templates(UNIONPAY, spec(n)), 1)
            for n in range(1, terminals + 1)
        ]
        driver = Driver(scenario, UNIONPAY, pos, server.sockets[0].getsockname()[:2])
        await driver.connect()
        try:
            await driver.run()
        finally:
            driver.close()
            await asyncio.wait(stand_in.serving, timeout=10)
    return driver


async def test_everything_that_was_due_is_sent_and_answered():
    driver = await drive(StandIn())
    assert driver.tally.faults == {}
    assert driver.tally.begun == driver.tally.ended == 100
    assert driver.tally.intended_in_window == driver.tally.answered_in_window == 100
    assert driver.tally.latencies["authorization"].count == 100
    assert all(told.mac_valid for told in driver.told)


async def test_every_course_is_taken_and_its_answer_expected():
    mix = Mix(repeats=0.2, conflicts=0.2, reversals=0.2, declines=0.2)
    driver = await drive(StandIn(), mix=mix)
    assert driver.tally.faults == {}
    assert {told.kind for told in driver.told} == {"sale", "repeat", "conflict", "reversal"}
    assert driver.tally.responses.keys() == {"00", "51", "94"}
    assert set(driver.tally.latencies) == {"authorization", "repeat", "conflict", "reversal"}


async def test_a_slow_switch_is_charged_for_what_waited_behind_it():
    # one terminal, 10 ms an answer, 200 payments/s wanted: the queue grows to half a second
    driver = await drive(StandIn(delay_s=0.01), terminals=1, duration=0.5)
    assert driver.tally.faults == {}
    assert driver.tally.latencies["authorization"].max_us > 300_000


async def test_what_no_terminal_is_free_for_is_counted_beyond_the_bound():
    driver = await drive(StandIn(delay_s=0.05), terminals=1, waiting_count_max=2)
    assert driver.tally.faults["sale: not sent, no terminal was free"] > 50


async def test_a_terminal_reverses_what_was_not_answered():
    stand_in = StandIn(answers=False)
    driver = await drive(stand_in, rate=10, duration=0.1, terminals=1, answer_timeout_ms=50)
    assert [message.mti for message in stand_in.received] == ["0200", "0400", "0400", "0400"]
    assert driver.tally.faults == {"sale: no answer": 1, "reversal: no answer": 3}
    assert driver.tally.answered_in_window == 0


async def test_a_wrong_mac_is_seen():
    driver = await drive(StandIn(wrong_mac=True), rate=10, terminals=1)
    assert driver.tally.faults == {"sale: wrong MAC in the answer": 5}


async def test_nobody_listening_is_told():
    with pytest.raises(OSError, match=r".+"):
        await Driver(
            Scenario(name="x", steps=(Step(rate_per_s=1, duration_s=1),)),
            UNIONPAY,
            [LeanTerminal(spec(1), make_templates(UNIONPAY, spec(1)), 1)],
            ("127.0.0.1", 1),
        ).connect()
