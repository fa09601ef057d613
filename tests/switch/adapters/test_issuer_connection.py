import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from switch.adapters import issuer_connection
from switch.adapters.clock import read_clock
from switch.adapters.issuer_connection import IssuerConnection
from switch.adapters.telemetry import make_telemetry
from switch.codec import load_dialect
from switch.demo.issuer_simulator import IssuerPace, IssuerSimulator
from switch.domain.upstream import MatchKey, UpstreamAnswer, UpstreamRequest
from switch.issuers.limits import LinkLimits
from switch.issuers.link import IssuerLink
from switch.security.cards import CardVault
from switch.security.keystore import MemoryKeyStore

DEADLINE_S = 60.0
ON_BOTH_LOOPS = True
PAN = "6200000000000005"


class Stage:
    """A real issuer simulator, and one connection to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: list[UpstreamAnswer] = []
        self.change_count = 0
        self.vault = CardVault(MemoryKeyStore())
        self.issuer: IssuerSimulator | None = None
        self.address: tuple[str, int] | None = None
        telemetry = make_telemetry("test")
        self.connection = IssuerConnection(
            IssuerLink(
                "demo",
                dialect=load_dialect("iso1987-ascii"),
                vault=self.vault,
                limits=LinkLimits(reconnect_delay_min_ms=10, reconnect_delay_max_ms=20),
                random=lambda: 0.5,
            ),
            lambda: self.address,
            self,
            write_buffer_bytes_max=65_536,
            log=telemetry.log,
            metrics=telemetry.metrics,
        )

    async def start_issuer(self) -> None:
        self.issuer = IssuerSimulator(self.folder / "ledger.jsonl", IssuerPace())
        port = self.address[1] if self.address else 0
        await self.issuer.listen("127.0.0.1", port)
        name, _, text = self.issuer.address.rpartition(":")
        self.address = (name, int(text))

    async def stop_issuer(self) -> None:
        if self.issuer is not None:
            await self.issuer.close()
            self.issuer = None

    def answers_received(self, answers: list[UpstreamAnswer]) -> None:
        self.answers.extend(answers)

    def links_changed(self) -> None:
        self.change_count += 1

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.connection.tick(read_clock())
                await asyncio.sleep(0.005)

    def debit(self, number: int) -> UpstreamRequest:
        rrn = f"{number:012d}"
        stan = f"{number:06d}"
        return UpstreamRequest(
            link="demo",
            match=MatchKey("payment", stan, rrn, "00000001"),
            mti="0200",
            fields={
                "processing_code": "000000",
                "amount_transaction": "000000000100",
                "transmission_time": "0101000000",
                "stan": stan,
                "local_time": "000000",
                "local_date": "0101",
                "merchant_type": "5411",
                "pos_entry_mode": "012",
                "pos_condition_code": "00",
                "acquirer_id": "00000000001",
                "rrn": rrn,
                "terminal_id": "00000001",
                "merchant_id": "898110154110001",
                "currency": "156",
            },
            card=self.vault.protect(PAN, "3012", rrn),
        )


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    # a pause is what a test makes; the machine's own are none
    monkeypatch.setattr(issuer_connection, "WRITE_DELAY_MAX_MS", 60_000)
    made = Stage(tmp_path)
    yield made
    await made.connection.stop()
    await made.stop_issuer()


async def test_the_link_signs_on_and_carries_many_requests_at_once(stage: Stage) -> None:
    await stage.start_issuer()
    await stage.until(lambda: stage.connection.is_up)
    assert all(stage.connection.send(stage.debit(number)) for number in range(1, 101))
    await stage.until(lambda: len(stage.answers) == 100)
    assert {answer.fields["response_code"] for answer in stage.answers} == {"00"}
    assert [answer.match.rrn for answer in stage.answers[:2]] == [
        "000000000001",
        "000000000002",
    ]


async def test_nothing_is_sent_before_the_issuer_is_there(stage: Stage) -> None:
    stage.connection.tick(read_clock())
    assert not stage.connection.send(stage.debit(1))
    await stage.until(lambda: stage.connection.down_reason == "the issuer has no address yet")
    await stage.start_issuer()
    await stage.until(lambda: stage.connection.is_up)
    assert stage.connection.down_reason == ""


async def test_an_issuer_that_comes_back_is_found_again(stage: Stage) -> None:
    await stage.start_issuer()
    await stage.until(lambda: stage.connection.is_up)
    await stage.stop_issuer()
    await stage.until(lambda: not stage.connection.is_up)
    assert not stage.connection.send(stage.debit(1))
    await stage.until(lambda: "cannot connect" in stage.connection.down_reason)
    await stage.start_issuer()
    await stage.until(lambda: stage.connection.is_up)
    assert stage.change_count >= 3
    assert stage.connection.send(stage.debit(2))
    await stage.until(lambda: len(stage.answers) == 1)


async def test_after_a_pause_before_the_write_nothing_is_sent_and_who_asked_is_told(
    stage: Stage,
) -> None:
    dropped: list[int] = []
    await stage.start_issuer()
    await stage.until(lambda: stage.connection.is_up)
    assert stage.connection.send(stage.debit(1), lambda: dropped.append(1))
    # as if the process had stood still between the clock check and the write
    stage.connection._unsent_boot_ms -= issuer_connection.WRITE_DELAY_MAX_MS + 1
    await asyncio.sleep(0)
    assert stage.connection.send(stage.debit(2), lambda: dropped.append(2))
    await stage.until(lambda: bool(stage.answers))
    assert [answer.match.rrn for answer in stage.answers] == ["000000000002"]
    assert dropped == [1]


async def test_what_was_not_written_when_the_connection_ended_is_told_as_not_sent(
    stage: Stage,
) -> None:
    dropped: list[int] = []
    await stage.start_issuer()
    await stage.until(lambda: stage.connection.is_up)
    assert stage.connection.send(stage.debit(1), lambda: dropped.append(1))
    transport = stage.connection._transport
    assert transport is not None
    stage.connection.lost(transport, None)
    assert dropped == [1]
    assert not stage.connection.is_up
