import pytest

from infra.kafka.security import ADMIN, BrokerSecurity, Credentials, write_environment
from switch.apps.settings_sources import load_settings

EVERY_ONE = [
    BrokerSecurity(),
    BrokerSecurity(is_tls=True),
    BrokerSecurity(is_sasl=True),
    BrokerSecurity(is_tls=True, is_sasl=True),
]


def test_an_authorizer_must_know_who_asks():
    with pytest.raises(ValueError, match="needs --tls or --sasl"):
        BrokerSecurity(is_authorizing=True)


def test_brokers_are_as_strict_among_themselves_as_with_clients():
    assert [(one.client_protocol, one.internal_protocol) for one in EVERY_ONE] == [
        ("PLAINTEXT", "PLAINTEXT"),
        ("SSL", "SSL"),
        ("SASL_PLAINTEXT", "SASL_PLAINTEXT"),
        ("SASL_SSL", "SSL"),
    ]


@pytest.mark.parametrize("security", EVERY_ONE)
def test_what_a_role_is_given_are_settings_of_the_switch(tmp_path, security):
    credentials = Credentials(tmp_path, security, ["gateway"])
    given = credentials.client_settings("gateway")
    environment = {f"SWITCH__LOG__{key.upper()}": value for key, value in given.items()}
    log = load_settings(environment=environment).settings.log
    assert log.security_protocol == security.client_protocol.lower()
    assert bool(log.sasl_password) == security.is_sasl
    assert bool(log.ca_file) == security.is_tls
    # one proof is enough: a password, or a certificate
    assert bool(log.key_file) == (security.is_tls and not security.is_sasl)


def test_nobody_else_has_a_name(tmp_path):
    credentials = Credentials(tmp_path, BrokerSecurity(is_sasl=True), ["gateway"])
    assert credentials.client_settings(ADMIN)
    with pytest.raises(AssertionError, match="nobody is called stranger"):
        credentials.client_settings("stranger")


@pytest.mark.parametrize("security", EVERY_ONE)
def test_passwords_and_certificates_are_kept(tmp_path, security):
    first, second = (Credentials(tmp_path, security, ["gateway"]) for _ in range(2))
    assert first.client_settings("gateway") == second.client_settings("gateway")
    assert first.format_options() == second.format_options()
    assert first.broker_properties() == second.broker_properties()


def test_without_security_nothing_is_written(tmp_path):
    Credentials(tmp_path / "security", BrokerSecurity(), ["gateway"])
    assert not (tmp_path / "security").exists()


def test_every_secret_is_for_its_owner_alone(tmp_path):
    Credentials(tmp_path, BrokerSecurity(is_tls=True, is_sasl=True), ["gateway"])
    write_environment(tmp_path / "gateway.env", {"A": "1", "B": "2"})
    assert (tmp_path / "gateway.env").read_text() == "A=1\nB=2\n"
    secret = [
        path
        for path in tmp_path.iterdir()
        if "PRIVATE" in path.read_text() or path.suffix != ".pem"
    ]
    assert len(secret) >= 4
    assert all(path.stat().st_mode & 0o077 == 0 for path in secret)
