from typing import Never

import click
import pytest
from click.testing import CliRunner

from switch.cli.failure import (
    EXIT_FOREIGN_FOLDER,
    CommandFailure,
    not_running_failure,
    usage_failure,
)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (usage_failure("no"), 2),
        (not_running_failure("no"), 3),
        (CommandFailure("no", EXIT_FOREIGN_FOLDER), 5),
    ],
)
def test_a_failure_prints_one_line_and_ends_with_its_code(
    failure: CommandFailure, code: int
) -> None:
    @click.command()
    def command() -> Never:
        raise failure

    result = CliRunner().invoke(command)
    assert result.exit_code == code
    assert result.stderr == "switch: no\n"
