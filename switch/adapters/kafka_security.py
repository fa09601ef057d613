"""How this process proves itself to Kafka's brokers, and how it knows that they are ours."""

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
    Say why no broker could be used, and what to do: each is tried once more, one by one.

    Needed because a client tells only that it could not begin, never why.
    """
    try:
        options = security.client_options()
    except LogSettingWrong as error:
        return str(error)
    reasons: dict[str, None] = {}
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            reasons[await _probe(host, int(port), security, options)] = None
        except ValueError:
            return f"{address!r} is no HOST:PORT"
    return f"no Kafka broker can be used at {bootstrap}: " + "; ".join(filter(None, reasons))


async def _probe(host: str, port: int, security: KafkaSecurity, options: dict[str, Any]) -> str:
    try:
        connection = await create_conn(host, port, request_timeout_ms=PROBE_TIMEOUT_MS, **options)
    except (KafkaError, OSError, TimeoutError) as error:
        return _explain(error, security)
    connection.close()
    return "it answers a connection, but gives no overview of the cluster"


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
