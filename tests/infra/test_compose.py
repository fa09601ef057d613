import base64
import re
import subprocess
import tomllib

import pytest

from infra.compose.prepare import make_secrets
from infra.kafka.permissions import list_roles
from infra.kafka.security import BROKER
from switch.eventlog.port import REPLIES_PARTITION_COUNT
from tests.infra.program import (
    IMAGE,
    INFRA,
    check_command,
    check_image,
    read_settings,
    read_yaml,
)

FOLDER = INFRA / "compose"
[COMPOSE] = read_yaml(FOLDER / "compose.yaml")
SERVICES = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"].startswith(f"{IMAGE}:")}
SERVING = {name: one for name, one in OURS.items() if name not in ("permissions", "topics")}
BROKERS = {name: one for name, one in SERVICES.items() if name.startswith("kafka-")}


def fill_in(value):
    """Stand in for what compose takes from its own environment."""
    return re.sub(r"\$\{\w+:\?[^}]*\}", "bank=issuer.example:8590", value)


def settings_of(service):
    return read_settings({name: fill_in(text) for name, text in service["environment"].items()})


def secrets_of(service):
    """Return name in the container -> secret."""
    plain = {one: one for one in service.get("secrets", []) if isinstance(one, str)}
    return plain | {
        one["target"]: one["source"] for one in service.get("secrets", []) if isinstance(one, dict)
    }


def test_all_that_is_wanted_is_there():
    roles = [one["command"][0] for one in SERVING.values()]
    assert sorted(roles) == ["gateway"] * 2 + ["handler"] * 2 + ["projector", "registrar"]
    assert len(BROKERS) == 3
    assert "postgres" in SERVICES


def test_images_have_versions_and_no_host():
    for service in SERVICES.values():
        check_image(service["image"])


@pytest.mark.parametrize("name", SERVING)
def test_a_service_runs_a_command_with_settings_that_the_program_takes(name):
    service = SERVING[name]
    options = check_command(service["command"])
    mounts = {one.partition(":")[2] for one in service["volumes"]}
    assert str(options["data_dir"]) in mounts
    settings = settings_of(service)
    if service["command"][0] != "projector":
        assert settings.security.keys_directory in mounts
    assert settings.http.address.startswith("0.0.0.0:")
    assert (
        f":{settings.http.address.rpartition(':')[2]}/healthz" in service["healthcheck"]["test"][3]
    )


def test_topics_are_made_before_anything_serves_and_permissions_before_that():
    check_command(OURS["topics"]["command"])
    assert settings_of(OURS["topics"]).log == settings_of(OURS["gateway-0"]).log
    assert "permissions" in OURS["topics"]["depends_on"]
    assert all("topics" in one["depends_on"] for one in SERVING.values())
    assert set(OURS["permissions"]["depends_on"]) == set(BROKERS)
    assert OURS["permissions"]["entrypoint"][2].removeprefix("switch.") == "infra.kafka.permissions"


@pytest.mark.parametrize("name", OURS)
def test_a_service_may_do_no_more_than_it_must(name):
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert not service["user"].startswith(("0", "root"))
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", SERVING)
def test_a_service_is_given_the_time_to_drain(name):
    grace_s = int(SERVING[name]["stop_grace_period"].removesuffix("s"))
    assert grace_s * 1_000 >= settings_of(SERVING[name]).times.drain_ms + 5_000


def test_gateways_have_numbers_of_their_own():
    ordinals = [
        settings_of(one).gateway.ordinal
        for one in SERVING.values()
        if one["command"][0] == "gateway"
    ]
    assert ordinals == list(range(len(ordinals)))
    assert len(ordinals) <= REPLIES_PARTITION_COUNT
    ports = [port.rsplit(":", 1)[0] for one in SERVING.values() for port in one.get("ports", [])]
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize("name", OURS)
def test_each_role_comes_in_under_its_own_name(name):
    role = {"permissions": "admin", "topics": "topics-admin"}.get(name)
    role = role or OURS[name]["command"][0]
    found = secrets_of(OURS[name])
    assert found["certificate.pem"] == f"{role}.pem"
    assert found["key.pem"] == f"{role}-key.pem"
    assert role in (*list_roles(), "admin")
    log = settings_of(OURS[name]).log
    used = {log.ca_file, log.certificate_file, log.key_file}
    used |= {word for word in OURS[name]["command"] if word.startswith("/run/secrets/")}
    assert used == {f"/run/secrets/{target}" for target in found}


def test_every_secret_volume_and_file_that_is_named_is_declared():
    used = {secret for one in SERVICES.values() for secret in secrets_of(one).values()}
    assert used == set(COMPOSE["secrets"])
    volumes = {v.partition(":")[0] for one in SERVICES.values() for v in one.get("volumes", [])}
    assert {one for one in volumes if not one.startswith("./")} == set(COMPOSE["volumes"])
    assert all((FOLDER / one).is_dir() for one in volumes if one.startswith("./"))


def test_brokers_find_their_files_with_every_compose():
    # podman-compose says nothing about `configs` and gives the container no file
    assert "configs" not in COMPOSE
    for broker in BROKERS.values():
        assert "configs" not in broker
        mounts = {
            target: source
            for source, target in (volume.split(":")[:2] for volume in broker["volumes"])
        }
        script = broker["entrypoint"][-1]
        folder, _, name = script.rpartition("/")
        assert "./kafka:" + folder + ":ro" in broker["volumes"]
        assert (FOLDER / mounts[folder] / name).is_file()
        wanted = re.findall(rf"{folder}/([\w.]+)", (FOLDER / mounts[folder] / name).read_text())
        assert wanted
        assert all((FOLDER / mounts[folder] / one).is_file() for one in wanted)


def test_brokers_are_who_the_log_and_the_voters_say():
    log = settings_of(SERVING["handler-a"]).log
    hosts = [one.partition(":")[0] for one in log.url.removeprefix("kafka://").split(",")]
    assert hosts == list(BROKERS)
    for number, (name, broker) in enumerate(BROKERS.items(), 1):
        assert broker["hostname"] == name == f"kafka-{number}"
        assert broker["environment"]["NODE_ID"] == str(number)
    voters = BROKERS["kafka-1"]["environment"]["VOTERS"].split(",")
    for number, voter in enumerate(voters, 1):
        place, directory_id = voter.rsplit(":", 1)
        assert place == f"{number}@kafka-{number}:9094"
        assert len(base64.urlsafe_b64decode(directory_id + "==")) == 16
    cluster_id = BROKERS["kafka-1"]["environment"]["CLUSTER_ID"]
    assert len(base64.urlsafe_b64decode(cluster_id + "==")) == 16


def test_brokers_keep_what_they_acknowledge_and_let_nobody_in_without_a_certificate():
    properties = read_properties()
    log = settings_of(SERVING["handler-a"]).log
    assert int(properties["default.replication.factor"]) == log.replication_factor
    assert int(properties["min.insync.replicas"]) == log.replication_factor - 1
    assert properties["unclean.leader.election.enable"] == "false"
    assert properties["auto.create.topics.enable"] == "false"
    assert properties["ssl.client.auth"] == "required"
    assert properties["allow.everyone.if.no.acl.found"] == "false"
    assert properties["super.users"] == f"User:{BROKER};User:admin"
    assert set(properties["listener.security.protocol.map"].split(",")) == {
        f"{name}:SSL" for name in ("CLIENTS", "INTERNAL", "CONTROLLER")
    }
    session_min_ms = int(properties["group.min.session.timeout.ms"])
    assert settings_of(SERVING["handler-a"]).ownership.session_timeout_ms >= session_min_ms


def test_the_database_is_where_the_secret_says(tmp_path):
    make_secrets(tmp_path / "secrets")
    document = tomllib.loads((tmp_path / "secrets" / "postgres.toml").read_text())
    environment = SERVICES["postgres"]["environment"]
    password = (tmp_path / "secrets" / "postgres-password").read_text()
    user, database = environment["POSTGRES_USER"], environment["POSTGRES_DB"]
    assert document["projector"]["dsn"] == f"postgresql://{user}:{password}@postgres/{database}"
    read_settings({"SWITCH__PROJECTOR__DSN": document["projector"]["dsn"]})


def read_properties():
    lines = (FOLDER / "kafka" / "broker.properties").read_text().splitlines()
    rows = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {key: value for key, _, value in rows}


def test_the_script_that_starts_a_broker_is_one_that_a_shell_can_read():
    subprocess.run(["bash", "-n", FOLDER / "kafka" / "start.sh"], check=True)


@pytest.mark.kafka
def test_kafka_itself_takes_the_brokers_settings(kafka_libs, tmp_path):
    text = (FOLDER / "kafka" / "broker.properties").read_text().replace("@NODE_ID@", "1")
    properties = tmp_path / "server.properties"
    properties.write_text(text.replace("/var/lib/kafka/data", str(tmp_path / "data")))
    broker = BROKERS["kafka-1"]["environment"]
    done = subprocess.run(
        [
            *("java", "-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp", f"{kafka_libs}/*"),
            *("kafka.tools.StorageTool", "format", "--cluster-id", broker["CLUSTER_ID"]),
            *("--initial-controllers", broker["VOTERS"], "--config", str(properties)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert broker["CLUSTER_ID"] in (tmp_path / "data" / "meta.properties").read_text()
