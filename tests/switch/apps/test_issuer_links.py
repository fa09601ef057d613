import asyncio

import pytest

from switch.adapters.telemetry import make_telemetry
from switch.apps.issuer_links import IssuerLinks, make_limits
from switch.apps.settings import IssuerLinkSettings, Settings
from switch.apps.settings_sources import SettingsError
from switch.demo.issuer_simulator import IssuerPace, IssuerSimulator
from switch.domain.upstream import MatchKey, UpstreamRequest
from switch.security.cards import CardVault
from switch.security.keystore import MemoryKeyStore

DEADLINE_S = 60.0


def request(link, **fields):
    return UpstreamRequest(
        link=link,
        match=MatchKey("payment", "000001", "000000000001", "00000001"),
        mti="0200",
        fields={
            "processing_code": "000000",
            "amount_transaction": "000000000100",
            "transmission_time": "0101000000",
            "stan": "000001",
            "rrn": "000000000001",
            "terminal_id": "00000001",
            "merchant_id": "898110154110001",
            "currency": "156",
            **fields,
        },
    )


@pytest.fixture
async def issuer(tmp_path):
    simulator = IssuerSimulator(tmp_path / "ledger.jsonl", IssuerPace())
    await simulator.listen("127.0.0.1", 0)
    yield simulator
    await simulator.close()


@pytest.fixture
async def links(issuer):
    settings = Settings(
        issuer_link=IssuerLinkSettings(links={"up": issuer.address, "down": "127.0.0.1:1"})
    )
    telemetry = make_telemetry("test")
    made = IssuerLinks(settings, CardVault(MemoryKeyStore()), telemetry)
    made.changed = asyncio.Event()
    made.on_changed = made.changed.set
    made.telemetry = telemetry
    made.start()
    async with asyncio.timeout(DEADLINE_S):
        while "up" not in made.links_up:
            made.changed.clear()
            await made.changed.wait()
    yield made
    await made.stop()


async def test_a_link_that_is_up_is_named_and_one_that_is_not_says_why(links):
    assert links.links_up == ("up",)
    assert links.links_signed_on == frozenset({"up"})
    assert not await links.wait_up(0.3)
    reason = links.telemetry.readiness.reasons()["issuer links"]
    assert reason.startswith("down: cannot connect")
    states = {status["link"]: status["state"] for status in links.status()}
    assert states["up"] == "up"
    assert links.describe().startswith("not every issuer link is up: down: cannot connect")


async def test_who_watches_the_start_is_told_whether_there_are_links_and_they_are_up(issuer):
    made = []
    for addresses in ({}, {"up": issuer.address}):
        settings = Settings(issuer_link=IssuerLinkSettings(links=addresses))
        made.append(IssuerLinks(settings, CardVault(MemoryKeyStore()), make_telemetry("test")))
    assert made[0].describe() == "no issuer link is set (issuer_link.links)"
    made[1].start()
    assert await made[1].wait_up(DEADLINE_S)
    assert made[1].describe() == "issuer links up"
    await made[1].stop()


async def test_a_request_goes_to_its_link_and_the_answer_comes_back(links):
    answered = asyncio.get_running_loop().create_future()
    links.on_answers = answered.set_result
    assert links.send(request("up"))
    [answer] = await asyncio.wait_for(answered, DEADLINE_S)
    assert answer.fields["response_code"] == "00"


async def test_what_cannot_be_sent_was_certainly_not_sent(links):
    assert not links.send(request("down"))
    assert not links.send(request("unheard of"))
    assert not links.send(request("up", stan="not a number"))


async def test_a_fault_in_one_tick_is_not_the_last_of_them(links):
    connection = links._connections["up"]
    real, calls = connection.tick, []

    def fail(now):
        calls.append(now)
        connection.tick = real
        raise RuntimeError

    connection.tick = fail
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    async with asyncio.timeout(DEADLINE_S):
        while not calls:  # noqa: ASYNC110 - the ticks know no events
            await asyncio.sleep(0.01)
    answered = loop.create_future()
    connection.tick = lambda _now: answered.done() or answered.set_result(True)
    assert await asyncio.wait_for(answered, DEADLINE_S)
    connection.tick = real


def test_an_address_that_is_none_names_the_link():
    settings = Settings(issuer_link=IssuerLinkSettings(links={"x": "nowhere"}))
    with pytest.raises(SettingsError, match=r"issuer_link\.links, x"):
        IssuerLinks(settings, CardVault(MemoryKeyStore()), make_telemetry("test"))


def test_the_time_out_of_issuers_is_that_of_the_payments():
    settings = Settings()
    assert make_limits(settings).answer_wait_ms == settings.times.issuer_timeout_ms
