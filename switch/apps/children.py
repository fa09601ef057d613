"""The child processes of `switch up`: started, listened to, started again when they die."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

import msgspec

from switch.adapters.child_process import ChildProcess, start_child
from switch.adapters.telemetry import Logger

RESTART_DELAY_MIN_S: Final = 0.5
RESTART_DELAY_MAX_S: Final = 30.0
STOP_DEADLINE_S: Final = 2.5
# A child that names a fault may find what it wants free the next time: what a killed instance left
# behind holds its ports for three seconds at most. After that it is not going to be free.
FAULT_PATIENCE_S: Final = 3.5


class KeptChild:
    """
    One child that is kept running until `stop`.

    `report` is the last thing that it said of itself, empty before it said anything; it is cleared
    when the child dies, so that nobody reads old news. `fault` is why it could not serve, in its
    own words (the member `fault` of a report); it outlives the child, until another report comes.
    """

    def __init__(
        self, name: str, module: str, make_order: Callable[[], bytes], log: Logger
    ) -> None:
        self.name = name
        self.report: dict[str, object] = {}
        self.fault = ""
        self._faulty_since_s = 0.0
        self._module = module
        self._make_order = make_order
        self._log = log.bind(child=name)
        self._child: ChildProcess | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._reported = asyncio.Event()
        self._is_stopping = False

    async def start(self) -> None:
        """
        Start the child, and from now on start it again when it dies.

        Raises:
            OSError: it cannot be started at all.
        """
        await self._launch()
        self._keeping = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def wait_report(self, key: str, within_s: float) -> bool:
        """
        Wait until a report has `key` with something in it.

        False if that takes longer than `within_s`, or if the child goes on to name a fault: then
        `fault` says which.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within_s):
                while not self.report.get(key):
                    if self.fault and loop.time() - self._faulty_since_s > FAULT_PATIENCE_S:
                        return False
                    self._reported.clear()
                    await self._reported.wait()
        except TimeoutError:
            return False
        return True

    def expect_end(self) -> None:
        """From now on a child that ends is not started again."""
        self._is_stopping = True

    async def stop(self) -> None:
        """Stop the child."""
        self.expect_end()
        if self._child is not None:
            await self._child.stop(STOP_DEADLINE_S)
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def _launch(self) -> None:
        self._child = await start_child(self.name, [self._module], self._make_order(), self._hear)

    async def _keep(self) -> None:
        delay_s = RESTART_DELAY_MIN_S
        while True:
            assert self._child is not None
            started_at = asyncio.get_running_loop().time()
            code = await self._child.wait()
            self.report = {}
            if asyncio.get_running_loop().time() - started_at > RESTART_DELAY_MAX_S:
                delay_s = RESTART_DELAY_MIN_S
            await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            if self._is_stopping:
                return  # whoever stopped us stopped the whole process group
            delay_s = min(delay_s * 2, RESTART_DELAY_MAX_S)
            reason = {"reason": self.fault} if self.fault else {}
            self._log.warning("child ended; it is started again", exit_code=code, **reason)
            try:
                await self._launch()
            except OSError as error:  # out of processes, memory or open files: for a while
                self._log.error("child cannot be started now", reason=str(error))

    def _hear(self, line: bytes) -> None:
        try:
            self.report = msgspec.json.decode(line, type=dict[str, object])
        except msgspec.MsgspecError:
            self._log.warning("child said what is no report", byte_count=len(line))
            return
        fault = str(self.report.get("fault") or "")
        if fault and not self.fault:
            self._faulty_since_s = asyncio.get_running_loop().time()
        self.fault = fault
        self._reported.set()
