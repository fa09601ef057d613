"""Calling those who wait for an ack."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

OutcomeT = TypeVar("OutcomeT")


def call_sink(sink: Callable[[OutcomeT], None], outcome: OutcomeT) -> None:
    """Call one sink; what it raises is reported and does not keep the others from their acks."""
    try:
        sink(outcome)
    except Exception as error:  # noqa: BLE001 (a bug in one consumer must not stop the log)
        asyncio.get_running_loop().call_exception_handler(
            {"message": "an append sink failed", "exception": error}
        )
