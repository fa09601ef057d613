"""In how many seeds the absence of each safeguard is noticed: the table of docs/simulation.md."""

from tests.simulation.options import draw_options
from tests.simulation.outcome import Outcome, simulate
from tests.simulation.safeguards import SAFEGUARDS, Safeguard, switched_off

FIRST_SEED = 1_000
SEEDS_MAX = 200


def find_failure(safeguard: Safeguard) -> tuple[int, Outcome] | None:
    """Run without a safeguard until that is noticed; return how many seeds it took."""
    with switched_off(safeguard):
        for count in range(1, SEEDS_MAX + 1):
            seed = FIRST_SEED + count - 1
            outcome = simulate(draw_options(seed, **safeguard.directed))
            if outcome.violations:
                return count, outcome
    return None


def write_table() -> str:
    """Write one row a safeguard, as Markdown."""
    lines = ["| # | safeguard off | seeds until noticed | first seen as |", "|---|---|---|---|"]
    for safeguard in SAFEGUARDS:
        found = find_failure(safeguard)
        directed = " (directed)" if safeguard.directed else ""
        if found is None:
            shown = f"> {SEEDS_MAX}{directed} | not noticed"
        else:
            count, outcome = found
            shown = f"{count}{directed} | `{outcome.violations[0].kind}`"
        lines.append(f"| {safeguard.number} | {safeguard.name} | {shown} |")
    return "\n".join(lines)
