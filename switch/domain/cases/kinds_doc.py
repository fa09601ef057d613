"""Writes docs/cases.md from the catalogue: `python -m switch.domain.cases.kinds_doc`."""

import sys
from collections.abc import Iterator
from typing import Final

from switch.domain.cases.kinds import KINDS, CaseKind

_HEAD: Final = """# Kinds of cases

Made from `switch/domain/cases/kinds.toml` by `python -m switch.domain.cases.kinds_doc`; a test
keeps it true. [Operations](operations.md#cases) says how to work with them.

A case is what the switch cannot settle by itself. `team` sees to it until an operator is named. Of
the kinds marked as an incident, cases of one issuer line that come close together are one line of
the list.
"""


def write_document() -> str:
    """Write the whole document, as docs/cases.md must read."""
    teams = "".join(
        f"| `{name}` | {words.zh} | {words.en} |\n" for name, words in KINDS.teams.items()
    )
    return "".join(
        (
            _HEAD,
            *(part for name, kind in KINDS.kinds.items() for part in _section(name, kind)),
            "\n## Anything else\n\n",
            f"{KINDS.other.text_en} {KINDS.other.next_en}\n",
            "\n## Teams\n\n| team | zh | en |\n|---|---|---|\n",
            teams,
        )
    )


def _section(name: str, kind: CaseKind) -> Iterator[str]:
    grouped = ", incident" if kind.incident else ""
    yield f"\n## `{name}`: {kind.title_en}\n\n"
    yield f"{kind.title_zh}. Team `{kind.team}`{grouped}.\n\n"
    yield f"- {kind.text_en}<br>{kind.text_zh}\n"
    yield f"- What to do: {kind.next_en}<br>{kind.next_zh}\n"
    yield f"- Evidence: {kind.evidence_en}<br>{kind.evidence_zh}\n"


if __name__ == "__main__":
    sys.stdout.write(write_document())
