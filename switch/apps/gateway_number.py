"""Whether another gateway has this one's number (`gateway.ordinal`)."""

import asyncio
from typing import Final, Protocol

from switch.adapters.telemetry import Logger
from switch.apps.status import explain_shared_ordinal, find_shared_ordinals, merge_statuses
from switch.apps.status_board import StatusBoard

LOOK_INTERVAL_S: Final = 60.0


class _Gateway(Protocol):
    @property
    def foreign_reply_count(self) -> int: ...


class GatewayNumber:
    """
    Tells in the log that gateways share a number, as long as they do and it shows.

    It shows in answers that are not this gateway's. They may also be for a former run of it, so
    the other is looked for among the processes before anything is said.
    """

    def __init__(self, owner: str, gateway: _Gateway, board: StatusBoard, log: Logger) -> None:
        self._owner = owner
        self._gateway = gateway
        self._board = board
        self._log = log
        self._seen_count = gateway.foreign_reply_count

    async def watch(self) -> None:
        """Look once a minute, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            await self.look()

    async def look(self) -> None:
        """Tell of the other, if answers for another came by since the last look."""
        count = self._gateway.foreign_reply_count
        if count == self._seen_count:
            return
        self._seen_count = count
        gateways = merge_statuses((await self._board.read()).said).gateways
        for ordinal, names in find_shared_ordinals(gateways).items():
            if self._owner in names:
                self._log.warning(
                    "another gateway has this one's number",
                    ordinal=ordinal,
                    reason=explain_shared_ordinal(ordinal, names),
                )
