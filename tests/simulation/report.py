"""What a person reads of a run that failed, and how it is run again."""

import msgspec

from tests.simulation.outcome import Outcome
from tests.simulation.timeline import tell_story

VIOLATIONS_SHOWN_MAX = 5


def replay_command(outcome: Outcome) -> str:
    options = outcome.options
    scenario = "" if options.scenario == "mixed" else f" --scenario {options.scenario}"
    blow = ""
    if options.blow_step:
        blow = f" --blow {options.blow_to}:{options.blow}:{options.blow_step}"
    return f"python -m tests.simulation --seeds 1 --from {options.seed}{scenario}{blow}"


def write_report(outcome: Outcome) -> str:
    """Write seed, options, what was violated, the story of the first, and the command."""
    options = msgspec.structs.asdict(outcome.options)
    drawn = ", ".join(f"{name}={value}" for name, value in options.items())
    lines = [f"seed {outcome.options.seed} failed", f"drawn: {drawn}", ""]
    lines += [str(violation) for violation in outcome.violations[:VIOLATIONS_SHOWN_MAX]]
    if len(outcome.violations) > VIOLATIONS_SHOWN_MAX:
        lines.append(f"... and {len(outcome.violations) - VIOLATIONS_SHOWN_MAX} more")
    told = next((v for v in outcome.violations if v.rrn or v.key), None)
    if told is not None and outcome.simulation is not None:
        lines += ["", *tell_story(outcome.simulation, told)]
    lines += ["", f"again: {replay_command(outcome)}"]
    return "\n".join(lines)
