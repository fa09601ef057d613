import ssl

import pytest

from infra.kafka.certificates import Authority


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ours", "theirs"):
        authority = Authority()
        authority.write_certificate(folder / f"{name}.ca.pem")
        authority.issue("broker", folder / f"{name}.broker.pem", folder / f"{name}.broker.pem")
        authority.issue("gateway", folder / f"{name}.gateway.pem", folder / f"{name}.gateway.key")
    return folder


def shake_hands(folder, *, trusted="ours", shown="ours"):
    """Let a client and a broker speak TLS in memory; return whom the broker sees."""
    broker = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=folder / f"{trusted}.ca.pem"
    )
    broker.verify_mode = ssl.CERT_REQUIRED
    broker.load_cert_chain(folder / "ours.broker.pem")
    client = ssl.create_default_context(cafile=folder / "ours.ca.pem")
    client.load_cert_chain(folder / f"{shown}.gateway.pem", folder / f"{shown}.gateway.key")
    to_broker, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_broker, server_hostname="127.0.0.1"),
        broker.wrap_bio(to_broker, to_client, server_side=True),
    ]
    waiting = list(sides)
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    return dict(pair for [pair] in sides[1].getpeercert()["subject"])


def test_a_broker_knows_a_client_by_the_name_in_its_certificate(folder):
    assert shake_hands(folder) == {"commonName": "gateway"}


def test_a_certificate_of_another_authority_is_refused(folder):
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(folder, shown="theirs")


def test_one_path_for_both_puts_key_and_certificate_into_one_file(folder):
    text = (folder / "ours.broker.pem").read_text()
    assert text.index("BEGIN PRIVATE KEY") < text.index("BEGIN CERTIFICATE")
    assert "PRIVATE KEY" not in (folder / "ours.gateway.pem").read_text()


@pytest.mark.parametrize("name", ["ours.broker.pem", "ours.gateway.key"])
def test_a_key_is_for_its_owner_alone(folder, name):
    assert (folder / name).stat().st_mode & 0o077 == 0
