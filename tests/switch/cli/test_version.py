from click.testing import CliRunner

import switch
from switch.cli.version import version


def test_it_names_the_version() -> None:
    assert CliRunner().invoke(version).output.startswith(f"switch {switch.__version__} ")
