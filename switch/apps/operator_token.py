"""The token that proves an operator of this machine: a file that only its owner can read."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

TOKEN_FILE: Final = "operator.token"  # noqa: S105 - a name, no token
_TOKEN_BYTES: Final = 24


def ensure_operator_token(keys_directory: Path) -> str:
    """
    Return the instance's operator token; make it at the first start.

    Raises:
        OSError: the file cannot be written or read.
    """
    path = keys_directory / TOKEN_FILE
    keys_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        aside = keys_directory / f".{TOKEN_FILE}.{os.getpid()}"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(f"op_{secrets.token_urlsafe(_TOKEN_BYTES)}\n")
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)  # the first of two processes wins
        aside.unlink()
    return path.read_text(encoding="ascii").strip()
