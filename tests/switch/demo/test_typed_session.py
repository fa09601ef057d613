"""The session of docs/demo-world.md, typed on a real instance as it stands there."""

import time

import pytest

from switch.demo.typed_session import SESSION
from switch.terminal.operations import Operation

DEADLINE_S = 60.0
STEPS = [step for part in SESSION for step in part.steps]


def type_it(shell, step):
    """Type one step; what is read from the projections may be a moment behind."""
    words = step.command.removeprefix("switch ")
    if step.kind:
        return shell.type(words, "--format", "json")
    deadline = time.monotonic() + DEADLINE_S
    while True:
        done = shell.type(words)
        if step.shows in done.stdout or time.monotonic() > deadline:
            return done


@pytest.mark.process
def test_each_step_ends_as_the_page_says_and_together_they_do_all_that_a_terminal_can(demo_shell):
    printed = []
    for step in STEPS:
        done = type_it(demo_shell, step)
        said = f"{step.command}: {done.stdout}{done.stderr}"
        assert step.shows in done.stdout, said
        assert not step.kind or f'"kind":"{step.kind}"' in done.stdout, said
        printed.append(done.stdout)
    text = "".join(printed)
    assert [each for each in Operation if f'"operation":"{each.value}"' not in text] == []


def test_no_step_names_what_only_one_instance_has():
    assert not [step for step in STEPS if "--rrn" in step.command or "--stan" in step.command]
