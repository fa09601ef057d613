"""
The catalogue of kinds of cases: what each means, who sees to it, what to do.

The words are in `kinds.toml`, read once, at import.
"""

import importlib.resources
import tomllib
from collections.abc import Mapping
from typing import Final

import msgspec

from switch.domain.cases.state import INBOUND_PARKED, NOT_SERVED, OUTCOME_OPEN
from switch.domain.declines import Words
from switch.domain.payment.state import CASES_THAT_STOP, CONTRADICTION


class CaseKind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one kind of case says to whoever must look."""

    team: str
    incident: bool  # cases of one issuer line that come close together are shown as one
    title_zh: str
    title_en: str
    text_zh: str
    text_en: str
    next_zh: str
    next_en: str
    evidence_zh: str
    evidence_en: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    team: dict[str, Words]
    kind: dict[str, CaseKind]
    other_kind: CaseKind


class KindCatalogue(msgspec.Struct, frozen=True):
    """The whole catalogue, checked."""

    kinds: Mapping[str, CaseKind]
    other: CaseKind
    teams: Mapping[str, Words]


class KindsError(Exception):
    """The catalogue's file is wrong; the message names every entry that is."""


def read_kinds(text: str) -> KindCatalogue:
    """
    Read and check a catalogue.

    Raises:
        KindsError: not TOML, an unknown entry, a missing kind or team.
    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise KindsError(f"kinds.toml: {error}") from error
    needed = {OUTCOME_OPEN, NOT_SERVED, INBOUND_PARKED, CONTRADICTION, *CASES_THAT_STOP}
    problems = [f"[kind.{kind}] is missing" for kind in sorted(needed - set(file.kind))]
    for name, kind in (*file.kind.items(), ("other-kind", file.other_kind)):
        if kind.team not in file.team:
            problems.append(f"[team.{kind.team}] of {name} is missing")
    if problems:
        raise KindsError("kinds.toml: " + "; ".join(problems))
    return KindCatalogue(file.kind, file.other_kind, file.team)


KINDS: Final = read_kinds(
    importlib.resources.files("switch.domain.cases").joinpath("kinds.toml").read_text("utf-8")
)
GROUPED_KINDS: Final = tuple(sorted(name for name, kind in KINDS.kinds.items() if kind.incident))


def kind_of(name: str) -> CaseKind:
    """Return the words of a kind; one that is not listed has general ones."""
    return KINDS.kinds.get(name, KINDS.other)


def kinds_of_team(team: str) -> tuple[str, ...]:
    """Name the kinds that a team sees to until somebody is named."""
    return tuple(sorted(name for name, kind in KINDS.kinds.items() if kind.team == team))
