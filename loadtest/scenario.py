"""Saved load scenarios: TOML in which a misspelt key is an error."""

from pathlib import Path
from typing import Final

import msgspec

from loadtest.schedule import PAYMENT_COUNT_MAX, Arrivals, Step, total_count

TERMINAL_COUNT_MAX: Final = 20_000
SCENARIO_DIRECTORY: Final = Path(__file__).with_name("scenarios")


class ScenarioError(Exception):
    """A scenario cannot be used; the message names the file and what is wrong."""


class Mix(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Shares (0 to 1) of the payments that take another course than a plain approval.

    `repeats` are sent again byte for byte after their answer, `conflicts` again with another
    amount (and a right MAC), `reversals` are taken back by an 0400 after their answer; `declines`
    have an amount ending in 51, `silent` one ending in 98, which the issuer never answers.

    The rest are chains of messages, in turn all that `loadtest/errands.py` has of their kind:
    `voids`, `refunds`, `holds` with completions, `advices`, `inquiries`, `lost` answers, and
    issuers that answer in an `odd` way.
    """

    repeats: float = 0.0
    conflicts: float = 0.0
    reversals: float = 0.0
    declines: float = 0.0
    silent: float = 0.0
    voids: float = 0.0
    refunds: float = 0.0
    holds: float = 0.0
    advices: float = 0.0
    inquiries: float = 0.0
    lost: float = 0.0
    odd: float = 0.0

    def __post_init__(self) -> None:
        """
        Check the shares.

        Raises:
            ValueError: a share outside 0 to 1, or more than 1 together.
        """
        shares = msgspec.structs.astuple(self)
        if any(not 0 <= share <= 1 for share in shares) or sum(shares) > 1:
            raise ValueError("each share of the mix lies in 0 to 1, and all together do as well")


class Objectives(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What the run must reach; a missed one makes the exit code 1. None: not asked for.

    `rate_share_min` compares payments answered in time with those that were meant to be sent.
    """

    p50_ms_max: float | None = None
    p99_ms_max: float | None = None
    rate_share_min: float | None = 0.99
    error_count_max: int | None = 0


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One load run.

    Latencies are counted after `warmup_s`; errors and the audit are not forgiven anything.
    `answer_timeout_ms` is how long a terminal waits before it gives up and reverses (its own
    time-out, longer than the switch's deadline). `mac_check_share` is the share of answers whose
    MAC is verified. `settle_timeout_s` is how long unknown outcomes may take to be reversed
    before the audit calls them unsettled.
    """

    name: str
    description: str = ""
    steps: tuple[Step, ...]
    arrivals: Arrivals = "even"
    warmup_s: float = 1.0
    terminals: int = 500
    mix: Mix = Mix()
    amount_minor_min: int = 100
    amount_minor_max: int = 50_000
    answer_timeout_ms: int = 8_000
    waiting_count_max: int = 20_000
    mac_check_share: float = 0.05
    settle_timeout_s: float = 20.0
    seed: int = 1
    objectives: Objectives = Objectives()

    def __post_init__(self) -> None:
        """
        Check the bounds.

        Raises:
            ValueError: the first bound that does not hold.
        """
        if not self.steps:
            raise ValueError("a scenario has at least one step")
        if total_count(self.steps) > PAYMENT_COUNT_MAX:
            raise ValueError(f"a run holds at most {PAYMENT_COUNT_MAX} payments")
        if not 1 <= self.terminals <= TERMINAL_COUNT_MAX:
            raise ValueError(f"terminals must be 1 to {TERMINAL_COUNT_MAX}")
        if not 100 <= self.amount_minor_min <= self.amount_minor_max:  # noqa: PLR2004 - see below
            # the last two digits are the issuer simulator's orders, so a whole hundred is drawn
            raise ValueError("amount_minor_min must be at least 100 and not above the maximum")
        if not 0 <= self.mac_check_share <= 1:
            raise ValueError("mac_check_share lies in 0 to 1")
        if self.waiting_count_max < 1 or self.answer_timeout_ms < 1:
            raise ValueError("waiting_count_max and answer_timeout_ms are at least 1")


def parse_scenario(text: str | bytes, source: str) -> Scenario:
    """
    Read a scenario; `source` names it in errors.

    Raises:
        ScenarioError: not TOML, an unknown key, a wrong type or a bound that does not hold.
    """
    try:
        return msgspec.toml.decode(text, type=Scenario)
    except msgspec.DecodeError as error:
        raise ScenarioError(f"{source}: {error}") from error


def find_scenario(name_or_path: str) -> Path:
    """
    Find a scenario file: a path, or the name of one that comes with the tool.

    Raises:
        ScenarioError: there is neither; the message lists the names there are.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    saved = SCENARIO_DIRECTORY / f"{name_or_path.removesuffix('.toml')}.toml"
    if saved.is_file() and saved.parent == SCENARIO_DIRECTORY:
        return saved
    names = ", ".join(sorted(p.stem for p in SCENARIO_DIRECTORY.glob("*.toml")))
    raise ScenarioError(f"no scenario {name_or_path!r}; a path, or one of: {names}")


def load_scenario(name_or_path: str) -> Scenario:
    """
    Load a scenario by path or saved name.

    Raises:
        ScenarioError: it is not there or cannot be used.
    """
    path = find_scenario(name_or_path)
    return parse_scenario(path.read_bytes(), str(path))
