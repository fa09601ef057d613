import asyncio
import socket

import msgspec
import pytest

from switch.adapters.telemetry import make_telemetry
from switch.apps.addresses import bound_address, parse_address
from switch.apps.children import KeptChild
from switch.apps.simulator import SimulatorOrder
from switch.demo.issuer_simulator import IssuerPace

pytestmark = pytest.mark.process
DEADLINE_S = 60.0


def make_child(address, ledger_path):
    order = SimulatorOrder(
        address=address, ledger_path=str(ledger_path), pace=IssuerPace(), uvloop=True
    )
    return KeptChild(
        "issuer",
        "switch.apps.simulator",
        lambda: msgspec.json.encode(order),
        make_telemetry("test").log,
    )


async def test_it_says_where_it_listens(tmp_path):
    child = make_child("127.0.0.1:0", tmp_path / "ledger.jsonl")
    await child.start()
    assert await child.wait_report("address", DEADLINE_S)
    _, writer = await asyncio.open_connection(*parse_address(str(child.report["address"])))
    writer.close()
    await writer.wait_closed()
    await child.stop()
    assert (tmp_path / "ledger.jsonl").exists()


async def test_a_busy_port_is_reported(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        child = make_child(bound_address(holder), tmp_path / "ledger.jsonl")
        await child.start()
        assert await child.wait_report("fault", DEADLINE_S)
        child.expect_end()
        await child.stop()
