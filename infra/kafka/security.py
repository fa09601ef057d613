"""
How a cluster is spoken to: TLS, SASL (SCRAM), an authorizer, in any combination that makes sense.

Brokers and controllers speak among themselves with the same strictness: certificates of their own
where there is TLS, else a password where there is SASL. `broker` and `admin` may do everything;
every other name may do what its file in `acls/` says.
"""

import json
import secrets
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from .machine import write_secret

BROKER: Final = "broker"
ADMIN: Final = "admin"
MECHANISM: Final = "SCRAM-SHA-512"
_MODULES: Final = "org.apache.kafka.common.security"


@dataclass(frozen=True, kw_only=True)
class BrokerSecurity:
    """
    What a cluster insists on.

    Raises:
        ValueError: an authorizer that would not know who asks.
    """

    is_tls: bool = False
    is_sasl: bool = False
    is_authorizing: bool = False

    def __post_init__(self) -> None:
        if self.is_authorizing and not (self.is_tls or self.is_sasl):
            raise ValueError("an authorizer needs --tls or --sasl: else it does not know who asks")

    @property
    def is_plain(self) -> bool:
        """Say that everybody may do everything."""
        return not (self.is_tls or self.is_sasl)

    @property
    def client_protocol(self) -> str:
        """The protocol that clients speak, as Kafka calls it."""
        if self.is_sasl:
            return "SASL_SSL" if self.is_tls else "SASL_PLAINTEXT"
        return "SSL" if self.is_tls else "PLAINTEXT"

    @property
    def internal_protocol(self) -> str:
        """The protocol among brokers and controllers: a certificate proves more than a password."""
        return "SSL" if self.is_tls else self.client_protocol


class Access(NamedTuple):
    """How the launcher itself asks a broker whether it is there."""

    tls: ssl.SSLContext | None = None
    password: str = ""  # of `broker`; empty: none is asked for


class Credentials:
    """The certificates and passwords of one cluster, in a folder; what is missing is made."""

    def __init__(self, directory: Path, security: BrokerSecurity, roles: Sequence[str]) -> None:
        self.directory = directory
        self.security = security
        self.roles = (*roles, ADMIN)
        self._passwords: dict[str, str] = {}
        if not security.is_plain:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if security.is_sasl:
            self._prepare_passwords()
        if security.is_tls:
            self._prepare_certificates()

    def access(self) -> Access:
        """Return how the broker is asked over its internal listener."""
        password = self._passwords[BROKER] if self.security.internal_protocol[:4] == "SASL" else ""
        if not self.security.is_tls:
            return Access(None, password)
        context = ssl.create_default_context(cafile=self.directory / "ca.pem")
        context.load_cert_chain(self.directory / "broker.pem")
        return Access(context, password)

    def format_options(self) -> list[str]:
        """Return what is told when a node's storage is made: users are in it from the start."""
        if not self.security.is_sasl:
            return []
        return [
            f"--add-scram={MECHANISM}=[name={role},password={self._passwords[role]}]"
            for role in self.roles
        ]

    def broker_properties(self) -> dict[str, str]:
        """Return the lines of server.properties that security takes."""
        properties: dict[str, str] = {}
        if self.security.is_tls:
            properties |= self._tls_properties()
        if self.security.is_sasl:
            properties |= self._sasl_properties()
        if self.security.is_authorizing:
            properties |= {
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": f"User:{BROKER};User:{ADMIN}",
                "allow.everyone.if.no.acl.found": "false",
            }
        return properties

    def client_settings(self, role: str) -> dict[str, str]:
        """Return key -> value of the `[log]` settings with which a role proves itself."""
        assert role in self.roles, f"nobody is called {role}: {', '.join(self.roles)}"
        if self.security.is_plain:
            return {}
        settings = {"security_protocol": self.security.client_protocol.lower()}
        if self.security.is_sasl:
            settings |= {
                "sasl_mechanism": MECHANISM,
                "sasl_username": role,
                "sasl_password": self._passwords[role],
            }
        if self.security.is_tls:
            settings["ca_file"] = str(self.directory / "ca.pem")
        if self.security.is_tls and not self.security.is_sasl:
            settings |= {
                "certificate_file": str(self.directory / f"{role}.pem"),
                "key_file": str(self.directory / f"{role}-key.pem"),
            }
        return settings

    def _prepare_passwords(self) -> None:
        path = self.directory / "passwords.json"
        if path.exists():
            self._passwords = json.loads(path.read_text(encoding="utf-8"))
        else:
            self._passwords = {name: secrets.token_hex(16) for name in (BROKER, *self.roles)}
            write_secret(path, json.dumps(self._passwords, indent=2))

    def _prepare_certificates(self) -> None:
        if (self.directory / "ca.pem").exists():
            return
        from .certificates import Authority  # noqa: PLC0415 - only who wants TLS needs the package

        authority = Authority()
        broker = self.directory / "broker.pem"
        authority.issue(BROKER, broker, broker)
        for role in self.roles:
            authority.issue(
                role, self.directory / f"{role}.pem", self.directory / f"{role}-key.pem"
            )
        authority.write_certificate(self.directory / "ca.pem")  # last: it says that all are there

    def _tls_properties(self) -> dict[str, str]:
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.directory / "broker.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.directory / "ca.pem"),
            # with SASL a password says who it is; without, the certificate does
            "ssl.client.auth": "none" if self.security.is_sasl else "required",
            "listener.name.internal.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": r"RULE:^CN=([^,]+).*$/$1/",
        }

    def _sasl_properties(self) -> dict[str, str]:
        properties = {
            "sasl.enabled.mechanisms": MECHANISM,
            f"listener.name.clients.{MECHANISM.lower()}.sasl.jaas.config": (
                f"{_MODULES}.scram.ScramLoginModule required;"
            ),
        }
        if self.security.is_tls:
            return properties
        password = self._passwords[BROKER]
        among_brokers = (
            f'{_MODULES}.plain.PlainLoginModule required username="{BROKER}"'
            f' password="{password}" user_{BROKER}="{password}";'
        )
        for listener in ("internal", "controller"):
            properties[f"listener.name.{listener}.sasl.enabled.mechanisms"] = "PLAIN"
            properties[f"listener.name.{listener}.plain.sasl.jaas.config"] = among_brokers
        return properties | {
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "sasl.mechanism.controller.protocol": "PLAIN",
        }


def write_environment(path: Path, environment: Mapping[str, str]) -> None:
    """Write NAME=value lines for a shell's `set -a; . FILE` or systemd's `EnvironmentFile=`."""
    write_secret(path, "".join(f"{name}={value}\n" for name, value in environment.items()))
