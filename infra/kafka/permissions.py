"""
What each role may do with Kafka: `acls/ROLE.toml`, as kafka-acls commands or done at once.

    python -m infra.kafka.permissions [--prefix switch-] [--bootstrap HOST:PORT]
        prints the commands for a cluster with an authorizer
    SWITCH__LOG__...=... python -m infra.kafka.permissions --apply [--prefix switch-]
        does it: log.url says where, log.security_protocol and what follows it say who asks

A file says what the role reads, writes, checks (sees settings, offsets and members of) and makes;
the names are those of the logs, without prefix. What is not there is refused.
"""

import argparse
import asyncio
import os
import shlex
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

FOLDER: Final = Path(__file__).resolve().parent / "acls"
DEFAULT_PREFIX: Final = "switch-"
ENVIRONMENT_PREFIX: Final = "SWITCH__LOG__"
APPLY_TIMEOUT_S: Final = 30.0

# What a word of a file comes to; reading and writing include to describe.
_OPERATIONS: Final = {
    "read": ("Read",),
    "write": ("Write",),
    "check": ("Describe", "DescribeConfigs"),
    "create": ("Create", "Describe", "DescribeConfigs"),
    "groups": ("Read",),
}
_KEYS: Final = {*_OPERATIONS, "like"}

# Kafka's numbers, as its protocol guide lists them.
_TOPIC: Final = 2
_GROUP: Final = 3
_LITERAL: Final = 3
_ALLOW: Final = 3
_OPERATION_NUMBERS: Final = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8} | {
    "DescribeConfigs": 10
}


class Permission(NamedTuple):
    """One line of an authorizer: `kind` is topic or group, `name` without prefix."""

    kind: str
    name: str
    operation: str


class AclFileWrong(Exception):
    """A file cannot be understood; the message names it."""


def list_roles() -> list[str]:
    """Return the roles that have a file."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_permissions(role: str, folder: Path = FOLDER) -> list[Permission]:
    """
    Return what a role may do, without repetition.

    Raises:
        AclFileWrong: the file is not there or says what it cannot.
    """
    path = folder / f"{role}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise AclFileWrong(f"{path}: {error}") from error
    if unknown := document.keys() - _KEYS:
        raise AclFileWrong(f"{path}: {sorted(unknown)} is not one of {sorted(_KEYS)}")
    found = list(_list_own(document))
    for other in document.get("like", []):
        found += read_permissions(other, folder)
    return sorted(set(found))


def list_commands(
    role: str, *, prefix: str, bootstrap: str, principal: str, command_config: str
) -> list[str]:
    """Return the kafka-acls commands that allow a role what its file says."""
    by_resource: dict[tuple[str, str], list[str]] = {}
    for permission in read_permissions(role):
        by_resource.setdefault(permission[:2], []).append(permission.operation)
    start = ["kafka-acls.sh", "--bootstrap-server", bootstrap, "--command-config", command_config]
    return [
        shlex.join(
            [*start, "--add", "--allow-principal", f"User:{principal}"]
            + [word for operation in operations for word in ("--operation", operation)]
            + [f"--{kind}", f"{prefix}{name}"]
        )
        for (kind, name), operations in by_resource.items()
    ]


def apply_acls(
    bootstrap: str, client_settings: Mapping[str, str], *, prefix: str = DEFAULT_PREFIX
) -> None:
    """
    Allow every role, as the user of its name, what its file says.

    Args:
        bootstrap: host:port of brokers, separated by commas.
        client_settings: of the one who may do that, by the keys of the `[log]` settings.
        prefix: of topics and groups.

    Raises:
        KafkaError: a broker refused.
    """
    asyncio.run(_apply(bootstrap, client_settings, prefix))


async def _apply(bootstrap: str, client_settings: Mapping[str, str], prefix: str) -> None:
    from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415 - only who authorizes needs it
    from aiokafka.errors import for_code  # noqa: PLC0415 - as above
    from aiokafka.protocol.admin import CreateAclsRequest  # noqa: PLC0415 - as above

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_options(client_settings))
    try:
        async with asyncio.timeout(APPLY_TIMEOUT_S):
            await admin.start()
            for role in list_roles():
                for permission in read_permissions(role):
                    request = CreateAclsRequest(
                        resource_type=_TOPIC if permission.kind == "topic" else _GROUP,
                        resource_name=f"{prefix}{permission.name}",
                        resource_pattern_type_filter=_LITERAL,
                        principal=f"User:{role}",
                        host="*",
                        operation=_OPERATION_NUMBERS[permission.operation],
                        permission_type=_ALLOW,
                    )
                    # the client knows the request, and has no method of its own for it
                    answer = await admin._send_request(request)  # noqa: SLF001
                    for code, message in answer.creation_responses:
                        if code:
                            raise for_code(code)(message)
    finally:
        await admin.close()


def read_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return key -> value of the `[log]` settings in an environment."""
    return {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }


def client_options(settings: Mapping[str, str]) -> dict[str, Any]:
    """Return what aiokafka's clients are given for these `[log]` settings of security."""
    from aiokafka.helpers import create_ssl_context  # noqa: PLC0415 - as above

    options: dict[str, Any] = {
        "security_protocol": settings.get("security_protocol", "plaintext").upper()
    }
    if "sasl_username" in settings:
        options |= {
            "sasl_mechanism": settings["sasl_mechanism"],
            "sasl_plain_username": settings["sasl_username"],
            "sasl_plain_password": settings["sasl_password"],
        }
    if "ca_file" in settings:
        options["ssl_context"] = create_ssl_context(
            cafile=settings["ca_file"],
            certfile=settings.get("certificate_file"),
            keyfile=settings.get("key_file"),
        )
    return options


def _list_own(document: Mapping[str, Sequence[str]]) -> Iterator[Permission]:
    for word, operations in _OPERATIONS.items():
        kind = "group" if word == "groups" else "topic"
        for name in document.get(word, []):
            for operation in operations:
                yield Permission(kind, name, operation)


def main(arguments: list[str] | None = None) -> int:
    """Print the commands; return the exit code."""
    parser = argparse.ArgumentParser(description="The commands that allow each role its own.")
    parser.add_argument("roles", nargs="*", help="of these roles only")
    parser.add_argument("--prefix", default=DEFAULT_PREFIX, help="of topics and groups")
    parser.add_argument("--bootstrap", default="localhost:9092")
    parser.add_argument("--command-config", default="admin.properties")
    parser.add_argument("--apply", action="store_true", help="do it, for every role")
    options = parser.parse_args(arguments)
    try:
        if options.apply:
            settings = read_environment(os.environ)
            bootstrap = settings.pop("url").removeprefix("kafka://").partition("?")[0]
            apply_acls(bootstrap, settings, prefix=options.prefix)
            print(f"each of {', '.join(list_roles())} may do its own at {bootstrap}")
            return 0
        for role in options.roles or list_roles():
            print(f"# {role}")
            for line in list_commands(
                role,
                prefix=options.prefix,
                bootstrap=options.bootstrap,
                principal=role,
                command_config=options.command_config,
            ):
                print(line)
    except AclFileWrong as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
