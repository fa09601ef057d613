"""The demo's issuer as a child of `switch up` (`python -m switch.apps.simulator`)."""

import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from switch.adapters.child_process import report, take_order
from switch.adapters.loop import run_loop
from switch.apps.addresses import parse_address
from switch.demo.issuer_simulator import IssuerPace, start_issuer


class SimulatorOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent wants."""

    address: str
    ledger_path: str
    pace: IssuerPace
    uvloop: bool


async def _serve(order: SimulatorOrder) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    name, port = parse_address(order.address)
    try:
        simulator = await start_issuer(name, port, Path(order.ledger_path), order.pace)
    except (OSError, msgspec.MsgspecError) as error:
        report(msgspec.json.encode({"fault": f"{order.address}: {error}"}))
        sys.exit(1)
    report(msgspec.json.encode({"address": simulator.address}))
    await stopped.wait()
    await simulator.close()


def main() -> None:
    """Run until the parent stops it or dies."""
    order = msgspec.json.decode(take_order(), type=SimulatorOrder)
    run_loop(_serve(order), uvloop=order.uvloop)


if __name__ == "__main__":
    main()
