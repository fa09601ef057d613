import shlex

import pytest

from infra.kafka.permissions import list_roles
from tests.infra.program import INFRA, ROLES, check_command, read_settings

FOLDER = INFRA / "systemd"
UNITS = {path.name: path for path in sorted(FOLDER.glob("*.service"))}
INSTANCE = "0"
PLACES = {"%i": INSTANCE, "%S": "/var/lib", "%E": "/etc"}


def read_unit(name):
    """Return (key, value) of the [Service] section; keys repeat."""
    text = UNITS[name].read_text()
    for short, place in PLACES.items():
        text = text.replace(short, place)
    section, rows = "", []
    for line in text.splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            rows.append((key, value))
    return rows


def find_all(name, key):
    return [value for one, value in read_unit(name) if one == key]


def role_of(name):
    return name.removesuffix(".service").removesuffix("@").removeprefix("switch-")


def read_example(name):
    rows = [
        line.partition("=")
        for line in (FOLDER / name).read_text().splitlines()
        if line and not line.startswith("#")
    ]
    return {key: value for key, _, value in rows}


def environment_of(name):
    files = ["switch.env.example", f"{role_of(name)}.env.example"]
    own = dict(line.split("=", 1) for line in find_all(name, "Environment"))
    return own | {key: value for file in files for key, value in read_example(file).items()}


def test_every_role_has_its_unit():
    assert {role_of(name) for name in UNITS} == set(ROLES)
    several = {role_of(name) for name in UNITS if "@" in name}
    assert several == {"gateway", "handler"}


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_runs_a_command_with_settings_that_the_program_takes(name):
    [line] = find_all(name, "ExecStart")
    program, *words = shlex.split(line)
    assert program.endswith("/bin/switch")
    assert words[0] == role_of(name)
    options = check_command(words)
    [folders] = find_all(name, "StateDirectory")
    kept = {f"/var/lib/{folder}" for folder in folders.split()}
    assert str(options["data_dir"]) in kept
    settings = read_settings(environment_of(name))
    assert settings.log.sasl_username == role_of(name)
    assert settings.log.sasl_username in list_roles()
    if role_of(name) != "projector":
        assert settings.security.keys_directory in kept


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_reads_the_files_that_have_examples(name):
    wanted = [line for line in find_all(name, "EnvironmentFile") if not line.startswith("-")]
    assert wanted == [
        "/etc/payment-switch/switch.env",
        f"/etc/payment-switch/{role_of(name)}.env",
    ]
    for path in wanted:
        assert (FOLDER / f"{path.rpartition('/')[2]}.example").is_file()


def test_a_gateways_number_is_its_units():
    assert f"SWITCH__GATEWAY__ORDINAL={INSTANCE}" in find_all(
        "switch-gateway@.service", "Environment"
    )


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_given_the_time_to_drain_and_comes_back(name):
    [stop_s] = find_all(name, "TimeoutStopSec")
    settings = read_settings(environment_of(name))
    assert int(stop_s) * 1_000 >= settings.times.drain_ms + 5_000
    assert find_all(name, "Restart") == ["always"]
    # brokers that are away longer than five starts would else keep it down for good
    unit_section = UNITS[name].read_text().partition("[Service]")[0]
    assert "StartLimitIntervalSec=0" in unit_section.splitlines()


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_has_files_enough_for_its_connections(name):
    [limit] = find_all(name, "LimitNOFILE")
    assert int(limit) >= read_settings(environment_of(name)).runtime.open_files_count_min


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_may_do_no_more_than_it_must(name):
    rows = dict(read_unit(name))
    assert rows["User"] == "payment-switch"
    assert rows["UMask"] == "0077"
    assert rows["ProtectSystem"] == "strict"
    assert rows["NoNewPrivileges"] == "true"
    assert rows["CapabilityBoundingSet"] == ""


def test_roles_on_one_machine_do_not_take_each_others_ports():
    addresses = []
    for name in UNITS:
        settings = read_settings(environment_of(name))
        addresses.append(settings.http.address)
        if role_of(name) == "gateway":
            addresses += [
                settings.gateway.unionpay_pos_address,
                settings.gateway.iso1987_ascii_address,
            ]
    ports = [address.rpartition(":")[2] for address in addresses]
    assert len(set(ports)) == len(ports)


def test_all_of_them_are_stopped_together():
    for path in UNITS.values():
        text = path.read_text()
        assert "PartOf=payment-switch.target" in text
        assert "WantedBy=payment-switch.target" in text
    assert (FOLDER / "payment-switch.target").is_file()
