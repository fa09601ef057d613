"""What a checker reports."""

from typing import NamedTuple


class Violation(NamedTuple):
    """One thing that must never be; the number is that of the invariant in docs/simulation.md."""

    invariant: int
    kind: str
    evidence: str
    rrn: str = ""
    key: str = ""

    def __str__(self) -> str:
        about = f" rrn {self.rrn}" if self.rrn else ""
        about += f" key {self.key}" if self.key else ""
        return f"invariant {self.invariant}: {self.kind}:{about} {self.evidence}"
