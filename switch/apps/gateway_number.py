"""Whether another gateway has this one's number (`gateway.ordinal`)."""

import asyncio
from typing import Final

from switch.adapters.telemetry import Logger
from switch.apps.status import explain_shared_ordinal, find_shared_ordinals, merge_statuses
from switch.apps.status_board import StatusBoard

FIRST_LOOK_S: Final = 10.0  # the others have spoken by then, and this one has
LOOK_INTERVAL_S: Final = 60.0


class GatewayNumber:
    """
    Tells in the log that gateways share a number, as long as they do: once a minute at most.

    It needs no traffic: whoever is heard among the processes is compared.
    """

    def __init__(self, owner: str, board: StatusBoard, log: Logger) -> None:
        self._owner = owner
        self._board = board
        self._log = log

    async def watch(
        self, first_look_s: float = FIRST_LOOK_S, interval_s: float = LOOK_INTERVAL_S
    ) -> None:
        """Look soon after the start, then once an interval, until cancelled."""
        await asyncio.sleep(first_look_s)
        while True:
            await self.look()
            await asyncio.sleep(interval_s)

    async def look(self) -> None:
        """Tell of the others of this number, if any are heard."""
        gateways = merge_statuses((await self._board.read()).said).gateways
        for ordinal, names in find_shared_ordinals(gateways).items():
            if self._owner in names:
                self._log.warning(
                    "another gateway has this one's number",
                    ordinal=ordinal,
                    reason=explain_shared_ordinal(ordinal, names),
                )
