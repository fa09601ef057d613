import stat
from pathlib import Path

from switch.apps.operator_token import TOKEN_FILE, ensure_operator_token


def test_the_token_is_made_once_and_kept(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    token = ensure_operator_token(keys)
    assert len(token) > 30
    assert ensure_operator_token(keys) == token
    assert [path.name for path in keys.iterdir()] == [TOKEN_FILE]


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    ensure_operator_token(tmp_path)
    assert stat.S_IMODE((tmp_path / TOKEN_FILE).stat().st_mode) == 0o600
