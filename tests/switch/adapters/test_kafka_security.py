"""What needs no broker with TLS and SASL; those are tried in tests/infra/kafka."""

import asyncio
import datetime as dt
import ssl

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from switch.adapters.kafka_security import (
    PROBE_TIMEOUT_MS,
    KafkaSecurity,
    _explain,
    explain_unreachable,
    find_obstacle,
)
from switch.adapters.kafka_topic_check import TopicWishes
from switch.adapters.kafka_topics import START_PATIENCE_S
from switch.adapters.open_log import open_log
from switch.eventlog.port import LogSettingWrong, LogUnavailable

SECRET = "do-not-tell"
SCRAM = KafkaSecurity(protocol="sasl_ssl", username="gateway", password=SECRET)


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")


def test_a_password_is_never_shown():
    assert SECRET not in repr(SCRAM)
    assert SECRET not in str(SCRAM)
    assert SECRET not in f"{[SCRAM]}"
    assert "gateway" in repr(SCRAM)


def test_in_the_clear_needs_nothing():
    assert KafkaSecurity().client_options() == {"security_protocol": "PLAINTEXT"}


def test_a_name_and_a_password_go_to_every_client_over_tls():
    options = SCRAM.client_options()
    assert options["security_protocol"] == "SASL_SSL"
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("gateway", SECRET)
    assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert options["ssl_context"].check_hostname


def test_a_certificate_of_ones_own_is_loaded(certificate):
    certificate_file, key_file = certificate
    security = KafkaSecurity(
        protocol="ssl",
        ca_file=certificate_file,
        certificate_file=certificate_file,
        key_file=key_file,
    )
    options = security.client_options()
    assert "sasl_mechanism" not in options
    assert options["ssl_context"].check_hostname


@pytest.mark.parametrize(
    ("security", "setting"),
    [
        (KafkaSecurity(protocol="sasl_ssl"), "log.sasl_username"),
        (KafkaSecurity(protocol="sasl_plaintext", username="a"), "log.sasl_password"),
        (KafkaSecurity(protocol="ssl", ca_file="/nowhere.pem"), "log.ca_file /nowhere.pem"),
        (KafkaSecurity(protocol="ssl", ca_file=__file__), "log.ca_file"),
        (KafkaSecurity(protocol="ssl", certificate_file="/a.pem"), "log.key_file"),
        (
            KafkaSecurity(protocol="ssl", certificate_file="/a.pem", key_file="/b.pem"),
            "log.certificate_file /a.pem",
        ),
    ],
)
async def test_what_cannot_be_used_is_named_by_its_setting(security, setting):
    with pytest.raises(LogSettingWrong, match=setting):
        security.client_options()
    with pytest.raises(LogSettingWrong, match=setting):
        await open_log("kafka://127.0.0.1:1", topics=TopicWishes(), security=security)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SaslAuthenticationFailed("no"), "log.sasl_password"),
        (UnsupportedSaslMechanismError("no"), "log.sasl_mechanism"),
        (ssl.SSLCertVerificationError("no"), "log.ca_file"),
        (ssl.SSLError("no"), "log.certificate_file"),
        (KafkaConnectionError("no"), "log.security_protocol"),
        (ConnectionRefusedError("no"), "make kafka"),
        (OSError("no route"), "does not answer"),
    ],
)
def test_every_way_to_fail_says_what_to_do(error, words):
    said = _explain(error, SCRAM)
    assert words in said
    assert SECRET not in said


async def test_a_name_that_is_not_known_is_said_to_be_so():
    with pytest.raises(LogUnavailable, match=r"the name 'nohost\.invalid' is not known"):
        await open_log("kafka://nohost.invalid:29092", topics=TopicWishes())


@pytest.mark.parametrize("banner", [b"", b"SSH-2.0-OpenSSH_9\r\n"])
async def test_what_listens_but_does_not_speak_kafka_is_told_within_ten_seconds(banner):
    assert START_PATIENCE_S + PROBE_TIMEOUT_MS / 1_000 < 10

    async def listen(reader, writer):
        writer.write(banner)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(60):  # the machine may stand still as well
            with pytest.raises(LogUnavailable, match="listens there that does not speak Kafka"):
                await open_log(f"kafka://127.0.0.1:{port}", topics=TopicWishes())


@pytest.mark.kafka
async def test_one_broker_that_cannot_be_used_is_no_obstacle_while_another_can(kafka_bootstrap):
    assert await find_obstacle(f"127.0.0.1:1,{kafka_bootstrap}", KafkaSecurity()) == ""


async def test_an_address_that_is_none_is_named():
    assert "'nowhere' is no HOST:PORT" in await explain_unreachable("nowhere", KafkaSecurity())


@pytest.mark.kafka
async def test_tls_to_a_broker_that_speaks_none_is_explained(kafka_bootstrap, certificate):
    security = KafkaSecurity(protocol="ssl", ca_file=certificate[0])
    with pytest.raises(LogUnavailable, match=r"log\.security_protocol"):
        await open_log(f"kafka://{kafka_bootstrap}", topics=TopicWishes(), security=security)


@pytest.mark.kafka
async def test_a_name_for_a_broker_that_asks_none_is_explained(kafka_bootstrap):
    security = KafkaSecurity(protocol="sasl_plaintext", username="gateway", password=SECRET)
    with pytest.raises(LogUnavailable) as refused:
        await open_log(f"kafka://{kafka_bootstrap}", topics=TopicWishes(), security=security)
    assert "log.sas" in str(refused.value) or "log.security_protocol" in str(refused.value)
    assert SECRET not in str(refused.value)
