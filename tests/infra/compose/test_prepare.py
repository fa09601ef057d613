import ssl
import stat

import pytest
from cryptography import x509

from infra.compose.prepare import BROKER_HOSTS, main
from tests.infra.program import INFRA, read_yaml


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    assert main(["--dir", str(folder)]) == 0
    return folder


def test_every_secret_that_compose_wants_is_made(folder):
    [compose] = read_yaml(INFRA / "compose" / "compose.yaml")
    wanted = {one["file"].removeprefix("secrets/") for one in compose["secrets"].values()}
    assert wanted <= {path.name for path in folder.iterdir()}


def test_nobody_but_the_owner_reaches_them_and_containers_can_read_them(folder):
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(path.stat().st_mode & stat.S_IROTH for path in folder.iterdir())


def test_the_brokers_certificate_is_good_for_every_broker(folder):
    certificate = x509.load_pem_x509_certificate((folder / "broker.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(BROKER_HOSTS) <= set(names.get_values_for_type(x509.DNSName))
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.load_cert_chain(folder / "handler.pem", folder / "handler-key.pem")


def test_what_is_there_is_left_as_it_is(folder, capsys):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(["--dir", str(folder)]) == 0
    assert "left as it is" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
