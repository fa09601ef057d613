"""docs/simulation.md knows every scenario, every safeguard and every invariant by its name."""

import re
from pathlib import Path

from tests.simulation.safeguards import SAFEGUARDS
from tests.simulation.scenarios import DIRECTED, NAMED

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8")
INVARIANTS = PAGE.split("## What must hold")[1].split("\n## ")[0]
CHECKS = [
    *(ROOT / "tests" / "simulation" / "checkers").glob("*.py"),
    ROOT / "tests" / "simulation" / "outcome.py",
]
VIOLATION = re.compile(r"(?:Violation|violation)\(\s*(\d+),")


def test_it_has_a_row_for_every_named_scenario():
    assert not {name for name in NAMED if f"\n| {name} | " not in PAGE}
    assert not {name for name in DIRECTED if f"`{name}`" not in PAGE}


def test_it_has_a_row_for_every_safeguard():
    assert not {one.name for one in SAFEGUARDS if f"\n| {one.number} | {one.name} | " not in PAGE}


def test_it_has_a_row_for_every_invariant_that_a_report_may_name():
    numbers = {n for path in CHECKS for n in VIOLATION.findall(path.read_text(encoding="utf-8"))}
    assert "1" in numbers
    assert not {number for number in numbers if f"\n| {number} | " not in INVARIANTS}
