"""Short runs at one constant rate after another, over terminals that go on where they were."""

from collections.abc import Mapping, Sequence

from loadtest.driver import Driver
from loadtest.frames import DIALECT, make_templates
from loadtest.instance import raise_open_files_limit
from loadtest.lean_terminal import LeanTerminal
from loadtest.run import FILES_BESIDE_CONNECTIONS, CpuMeter
from loadtest.scenario import Mix, Objectives, Scenario
from loadtest.schedule import Step
from loadtest.search import Level
from loadtest.tally import AUTHORIZATION
from loadtest.terminal_list import TerminalSpec
from loadtest.told import Told
from switch.codec import load_dialect

_WARMUP_SHARE = 0.25


class LevelRunner:
    """Plays the same terminals at different rates against one address."""

    def __init__(
        self,
        specs: Sequence[TerminalSpec],
        address: tuple[str, int],
        *,
        switch_pid: int | None,
        seconds: float,
        mix: Mix | None = None,
        mac_check_share: float = 0.02,
        named_pids: Mapping[str, int] | None = None,
        first_stan: int = 1,
    ) -> None:
        self.told: list[Told] = []
        self._level_number = 0
        self._dialect = load_dialect(DIALECT)
        self.terminals = [
            LeanTerminal(spec, make_templates(self._dialect, spec), first_stan) for spec in specs
        ]
        self._address = address
        self._switch_pid = switch_pid
        self._named_pids = named_pids
        self._seconds = seconds
        self._mix = mix or Mix()
        self._mac_check_share = mac_check_share
        raise_open_files_limit(len(specs) + FILES_BESIDE_CONNECTIONS)

    async def run(self, rate_per_s: float) -> Level:
        """
        Run one level; its first quarter warms up and is not counted.

        Raises:
            OSError: nobody listens.
        """
        warmup_s = self._seconds * _WARMUP_SHARE
        self._level_number += 1
        scenario = Scenario(
            name="level",
            steps=(Step(rate_per_s=rate_per_s, duration_s=self._seconds),),
            warmup_s=warmup_s,
            terminals=len(self.terminals),
            mix=self._mix,
            mac_check_share=self._mac_check_share,
            # the same amounts again at the same terminals would be a cashier's duplicates
            seed=self._level_number,
            objectives=Objectives(),
        )
        driver = Driver(scenario, self._dialect, self.terminals, self._address)
        try:
            await driver.connect()
            meter = CpuMeter(self._switch_pid, self._named_pids)
            await driver.run()
            cpu = meter.read(driver.tally.ended)
        finally:
            driver.close()
        self.told += driver.told
        histogram = driver.tally.latencies.get(AUTHORIZATION)
        return Level(
            rate_per_s=rate_per_s,
            answered_per_s=round(driver.tally.answered_in_window / (self._seconds - warmup_s), 1),
            p50_ms=histogram.quantile_us(0.5) / 1000 if histogram else -1,
            p99_ms=histogram.quantile_us(0.99) / 1000 if histogram else -1,
            faults=dict(driver.tally.faults),
            client_us_per_payment=cpu.client_us_per_payment,
            switch_us_per_payment=cpu.switch_us_per_payment,
            switch_processes=cpu.switch_processes,
        )
