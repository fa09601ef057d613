"""
Make the secrets of compose.yaml: an authority, a certificate a role, the database's password.

    python -m infra.compose.prepare [--dir infra/compose/secrets]

What is there is left as it is. Whoever may read that folder may do everything; the files in it can
be read by the containers' users, so the folder itself is for its owner alone.
"""

import argparse
import secrets
import sys
from pathlib import Path
from typing import Final

from infra.kafka.certificates import Authority
from infra.kafka.permissions import list_roles
from infra.kafka.security import ADMIN, BROKER

HERE: Final = Path(__file__).resolve().parent
BROKER_HOSTS: Final = ("kafka-1", "kafka-2", "kafka-3")
READABLE: Final = 0o644  # in a folder that nobody else can enter


def make_secrets(folder: Path) -> bool:
    """Make every secret unless they are there; say whether they were made."""
    done = folder / "ca.pem"
    if done.exists():
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    authority = Authority()
    broker = folder / "broker.pem"
    authority.issue(BROKER, broker, broker, hosts=BROKER_HOSTS)
    for role in (*list_roles(), ADMIN):
        authority.issue(role, folder / f"{role}.pem", folder / f"{role}-key.pem")
    password = secrets.token_hex(16)
    (folder / "postgres-password").write_text(password)
    (folder / "postgres.toml").write_text(
        f'[projector]\ndsn = "postgresql://switch:{password}@postgres/switch"\n'
    )
    for path in folder.iterdir():
        path.chmod(READABLE)
    authority.write_certificate(done)  # last: it says that all are there
    return True


def main(arguments: list[str] | None = None) -> int:
    """Make them; return the exit code."""
    parser = argparse.ArgumentParser(description="The secrets of compose.yaml.")
    parser.add_argument("--dir", type=Path, default=HERE / "secrets")
    folder = parser.parse_args(arguments).dir
    print(f"{folder}: {'made' if make_secrets(folder) else 'there already, left as it is'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
