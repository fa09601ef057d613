"""What a judge finds."""

from typing import NamedTuple


class Violation(NamedTuple):
    """Something that must never be: which invariant, about what, and what shows it."""

    invariant: int
    kind: str
    about: str
    evidence: str = ""
