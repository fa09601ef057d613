import os
import subprocess
import sys

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


@pytest.mark.process
@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("gateway", {"LOG__URL": "kafka://h:abc"}, "'kafka://h:abc' names no log"),
        ("handler", {"LOG__URL": "kafka://127.0.0.1:1?foo=1"}, "only prefix=NAME may follow"),
        ("projector", {"LOG__URL": "kafka://127.0.0.1"}, "names no log"),
        ("registrar", {"LOG__SECURITY_PROTOCOL": "sasl_ssl"}, "log.sasl_username and"),
        ("projector", {"LOG__SECURITY_PROTOCOL": "sasl_plaintext"}, "log.sasl_username and"),
        ("gateway", {"LOG__SECURITY_PROTOCOL": "ssl", "LOG__CA_FILE": "/no.pem"}, "log.ca_file"),
        ("gateway", {"LOG__CA_FILE": "/no.pem"}, "log.ca_file is set"),
        ("handler", {"SECURITY__KEYS_DIRECTORY": __file__}, "is a file; name the folder"),
        ("gateway", {"GATEWAY__ORDINAL": "77"}, "gateway.ordinal"),
    ],
)
def test_what_only_another_setting_can_mend_ends_a_role_with_two(tmp_path, name, settings, words):
    given = {"LOG__URL": "kafka://127.0.0.1:1", "HTTP__ADDRESS": "127.0.0.1:0"} | settings
    if name == "gateway":
        given |= {f"GATEWAY__{one}_ADDRESS": "" for one in ("UNIONPAY_POS", "ISO1987_ASCII")}
    ended = subprocess.run(
        [sys.executable, "-m", "switch", name, "--data", str(tmp_path)],
        env={**os.environ, **{f"SWITCH__{key}": value for key, value in given.items()}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert words in ended.stderr
