import pytest
from click.testing import CliRunner

from switch.cli import roles


@pytest.mark.parametrize("name", ["gateway", "handler", "registrar", "projector"])
def test_each_role_needs_a_log_that_processes_can_share(name, tmp_path):
    data = tmp_path / "data"
    result = CliRunner().invoke(getattr(roles, name), ["--data", str(data)])
    assert result.exit_code == 2
    assert "switch up --data DIR" in result.output
    assert not data.exists()
