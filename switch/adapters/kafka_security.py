"""How this process proves itself to Kafka's brokers, and how it knows that they are ours."""

import asyncio
import socket
import ssl
from typing import Any

import msgspec
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.helpers import create_ssl_context

from switch.eventlog.port import LogSettingWrong

PROBE_TIMEOUT_MS = 3_000  # a broker that answers at all answers a new connection in this time
LISTENS_TIMEOUT_S = 0.5


class KafkaSecurity(msgspec.Struct, frozen=True, kw_only=True):
    """
    The settings `log.security_protocol` to `log.key_file`; never shows its password.

    `protocol` is plaintext, ssl, sasl_plaintext or sasl_ssl; `mechanism` a SCRAM one. File names
    are of PEM files; without `ca_file` the system's certificates are trusted.
    """

    protocol: str = "plaintext"
    mechanism: str = "SCRAM-SHA-512"
    username: str = ""
    password: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""

    def __repr__(self) -> str:
        """Name who it is and how, without what must stay secret."""
        return f"KafkaSecurity(protocol={self.protocol!r}, username={self.username!r})"

    def client_options(self) -> dict[str, Any]:
        """
        Return the keyword arguments that every aiokafka client takes: also admin and consumer.

        Raises:
            LogSettingWrong: name or password is missing, or a file of certificates cannot be
                used; the message names the setting.
        """
        options: dict[str, Any] = {"security_protocol": self.protocol.upper()}
        if self.protocol.endswith("ssl"):
            options["ssl_context"] = self._make_ssl_context()
        if self.protocol.startswith("sasl"):
            if not self.username or not self.password:
                raise LogSettingWrong(
                    f"log.security_protocol is {self.protocol}: log.sasl_username and"
                    " log.sasl_password must be set"
                )
            options["sasl_mechanism"] = self.mechanism
            options["sasl_plain_username"] = self.username
            options["sasl_plain_password"] = self.password
        return options

    def _make_ssl_context(self) -> ssl.SSLContext:
        if bool(self.certificate_file) != bool(self.key_file):
            raise LogSettingWrong("log.certificate_file and log.key_file belong together: set both")
        try:
            context: ssl.SSLContext = create_ssl_context(cafile=self.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise LogSettingWrong(
                f"log.ca_file {self.ca_file}: no certificates can be read from it ({error})"
            ) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate_file:
            try:
                context.load_cert_chain(self.certificate_file, self.key_file)
            except (OSError, ssl.SSLError) as error:
                raise LogSettingWrong(
                    f"log.certificate_file {self.certificate_file} with log.key_file"
                    f" {self.key_file} cannot be used ({error})"
                ) from error
        return context


NO_SECURITY = KafkaSecurity()


async def explain_unreachable(bootstrap: str, security: KafkaSecurity) -> str:
    """
    Say why no broker could be used, and what to do: each is tried once more.

    Needed because a client tells only that it could not begin, never why.
    """
    return await find_obstacle(bootstrap, security) or (
        f"no Kafka broker can be used at {bootstrap}: it answers a connection, but gives no"
        " overview of the cluster"
    )


async def find_obstacle(bootstrap: str, security: KafkaSecurity) -> str:
    """Say why none of the brokers takes a connection, and what to do; empty if one does."""
    try:
        options = security.client_options()
    except LogSettingWrong as error:
        return str(error)
    probes = []
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        if not (host and port.isdecimal()):
            return f"{address!r} is no HOST:PORT"
        probes.append((host, int(port)))
    reasons = await asyncio.gather(*(_probe(*one, security, options) for one in probes))
    if not all(reasons):
        return ""
    return f"no Kafka broker can be used at {bootstrap}: " + "; ".join(dict.fromkeys(reasons))


async def _probe(host: str, port: int, security: KafkaSecurity, options: dict[str, Any]) -> str:
    try:
        connection = await create_conn(host, port, request_timeout_ms=PROBE_TIMEOUT_MS, **options)
    except socket.gaierror:
        return f"the name {host!r} is not known; see to the address in the settings"
    except TimeoutError:
        return await _explain_silence(host, port)
    except (KafkaError, OSError) as error:
        return _explain(error, security)
    connection.close()
    return ""


async def _explain_silence(host: str, port: int) -> str:
    """Tell an address where nothing is from one where something listens, but says nothing."""
    try:
        async with asyncio.timeout(LISTENS_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # TimeoutError is one
        return "nothing answers there; see to the address in the settings"
    writer.close()
    return (
        "something listens there that does not speak Kafka, or hangs; see to the address in the"
        " settings"
    )


def _explain(error: BaseException, security: KafkaSecurity) -> str:
    """Put an error of a connection into words; they hold neither password nor payload."""
    if isinstance(error, SaslAuthenticationFailed | AuthenticationFailedError):
        return (
            f"it does not take the name {security.username!r} with this password"
            f" ({security.mechanism}): see log.sasl_username and log.sasl_password"
        )
    if isinstance(error, UnsupportedSaslMechanismError | IllegalSaslStateError):
        return f"it does not speak {security.mechanism}: see log.sasl_mechanism"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not one to trust ({error}): see log.ca_file, and"
            " whether the address is the one in the certificate"
        )
    if isinstance(error, ssl.SSLError):
        wants = "" if security.certificate_file else ", or it wants log.certificate_file"
        return f"no TLS came about ({error}): see log.security_protocol{wants}"
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return (
            "no Kafka broker answers there; `make kafka` starts one, or see to the address in"
            " the settings"
        )
    if isinstance(error, KafkaError | ConnectionError):
        return (
            f"it ends a new connection at once ({type(error).__name__}): does it want another"
            f" log.security_protocol than {security.protocol}?"
        )
    return f"it does not answer ({type(error).__name__})"
