import ast
import importlib.resources
from pathlib import Path

import pytest

from switch.domain.cases.kinds import (
    GROUPED_KINDS,
    KINDS,
    KindsError,
    kind_of,
    kinds_of_team,
    read_kinds,
)

ROOT = Path(__file__).resolve().parents[4]
TEXT = importlib.resources.files("switch.domain.cases").joinpath("kinds.toml").read_text("utf-8")


def list_opened_kinds():
    """Find the kinds that the program's own text opens cases of."""
    for path in (ROOT / "switch").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id == "CaseOpened":
                named = [word.value for word in node.keywords if word.arg == "kind"]
            elif node.func.id == "open_case":
                named = node.args[1:2]
            else:
                continue
            yield from (
                (path.name, value.value) for value in named if isinstance(value, ast.Constant)
            )


def test_every_kind_that_is_opened_has_its_words():
    opened = list(list_opened_kinds())
    assert len(opened) > 5, "this test looks in the wrong place"
    missing = [(place, kind) for place, kind in opened if kind not in KINDS.kinds]
    assert not missing, f"not in switch/domain/cases/kinds.toml: {missing}"


def test_a_kind_that_is_not_listed_still_says_something():
    assert kind_of("from-the-future") is KINDS.other


def test_teams_know_their_kinds():
    assert "reversal-not-found" in kinds_of_team("settlement")
    assert "outcome-open" in GROUPED_KINDS
    assert "not-served" not in GROUPED_KINDS
    everybody = [kind for team in KINDS.teams for kind in kinds_of_team(team)]
    assert sorted(everybody) == sorted(KINDS.kinds)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[kind.outcome-open]", "[kind.outcome-closed]", r"\[kind.outcome-open\] is missing"),
        ('team = "engineering"', 'team = "nobody"', r"\[team.nobody\] of inbound-parked"),
        ("incident = true", "incident = 1", "Expected `bool`"),
        ("title_zh", "title_cn", "title_cn"),
        ("[team.operations]", "[team.operations", "kinds.toml"),
    ],
)
def test_a_wrong_catalogue_stops_the_start_with_the_entry_named(old, new, told):
    with pytest.raises(KindsError, match=told):
        read_kinds(TEXT.replace(old, new, 1))
