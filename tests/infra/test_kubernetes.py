import re

import pytest

from infra.kafka.permissions import list_roles
from switch.eventlog.port import REPLIES_PARTITION_COUNT
from tests.infra.program import INFRA, ROLES, check_command, check_image, read_settings, read_yaml

FOLDER = INFRA / "kubernetes"
[KUSTOMIZATION] = read_yaml(FOLDER / "kustomization.yaml")
OBJECTS = [one for name in KUSTOMIZATION["resources"] for one in read_yaml(FOLDER / name)]
SETTINGS = next(one["data"] for one in OBJECTS if one["kind"] == "ConfigMap")
WORKLOADS = {
    one["metadata"]["name"].removeprefix("switch-"): one
    for one in OBJECTS
    if one["kind"] in ("StatefulSet", "Deployment", "Job")
}
POD_NUMBER = "metadata.labels['apps.kubernetes.io/pod-index']"


def pod_of(role):
    return WORKLOADS[role]["spec"]["template"]["spec"]


def container_of(role):
    [container] = pod_of(role)["containers"]
    return container


def environment_of(role):
    """Return what the process is told; what comes from a secret or the pod is stood in for."""
    container = container_of(role)
    assert container["envFrom"] == [{"configMapRef": {"name": "switch-settings"}}]
    own = {one["name"]: one.get("value", "1") for one in container["env"]}
    return SETTINGS | own


def labels_of(role):
    return WORKLOADS[role]["spec"]["template"]["metadata"]["labels"]


def find_all(kind):
    return [one for one in OBJECTS if one["kind"] == kind]


def test_every_file_is_listed():
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(KUSTOMIZATION["resources"])


def test_every_role_has_its_manifest():
    kinds = {role: WORKLOADS[role]["kind"] for role in ROLES}
    assert kinds == {
        "gateway": "StatefulSet",
        "handler": "StatefulSet",
        "registrar": "Deployment",
        "projector": "Deployment",
    }
    assert set(WORKLOADS) == {*ROLES, "topics"}


@pytest.mark.parametrize("role", WORKLOADS)
def test_a_role_runs_a_command_with_settings_that_the_program_takes(role):
    container = container_of(role)
    options = check_command(container["args"])
    settings = read_settings(environment_of(role))
    assert settings.log.sasl_username in list_roles()
    assert settings.log.sasl_username == {"topics": "topics-admin"}.get(role, role)
    mounts = [one["mountPath"] for one in container["volumeMounts"]]
    assert any(settings.log.ca_file.startswith(f"{mount}/") for mount in mounts)
    if role in ROLES:
        assert str(options["data_dir"]) in mounts
    if role in ("gateway", "handler", "registrar"):
        keys = settings.security.keys_directory
        assert any(keys.startswith(f"{mount}/") for mount in mounts)


def test_every_setting_of_all_is_one_of_the_program():
    read_settings(SETTINGS)
    assert not [name for name in SETTINGS if "PASSWORD" in name or "DSN" in name]


@pytest.mark.parametrize("role", WORKLOADS)
def test_secrets_are_named_in_the_readme(role):
    named = {
        (one["valueFrom"]["secretKeyRef"]["name"], one["valueFrom"]["secretKeyRef"]["key"])
        for one in container_of(role)["env"]
        if "secretKeyRef" in one.get("valueFrom", {})
    }
    assert named
    readme = (INFRA / "README.md").read_text()
    for name, key in named:
        assert re.search(rf"generic {name}\b[^`]*--from-literal={key}=", readme), (name, key)
    for volume in pod_of(role)["volumes"]:
        if "secret" in volume:
            assert f"generic {volume['secret']['secretName']} " in readme


@pytest.mark.parametrize("role", WORKLOADS)
def test_a_pod_may_do_no_more_than_it_must(role):
    pod, container = pod_of(role), container_of(role)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    # it would open the key files to the group, and the key store refuses such files
    assert "fsGroup" not in pod["securityContext"]
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("role", ROLES)
def test_a_pod_is_given_the_time_to_drain(role):
    settings = read_settings(environment_of(role))
    stop = container_of(role).get("lifecycle", {}).get("preStop", {}).get("sleep", {})
    grace_ms = pod_of(role)["terminationGracePeriodSeconds"] * 1_000
    assert grace_ms >= stop.get("seconds", 0) * 1_000 + settings.times.drain_ms + 5_000
    # who has clients waits until none is sent any more
    assert bool(stop) == (role == "gateway")


@pytest.mark.parametrize("role", ROLES)
def test_a_pod_is_asked_how_it_is(role):
    container = container_of(role)
    port = read_settings(environment_of(role)).http.address.rpartition(":")[2]
    assert {"name": "http", "containerPort": int(port)} in container["ports"]
    paths = {
        probe: container[probe]["httpGet"]["path"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert paths == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_not_evicted_all_at_once(role):
    [budget] = [
        one
        for one in find_all("PodDisruptionBudget")
        if one["spec"]["selector"]["matchLabels"] == labels_of(role)
    ]
    assert budget["spec"]["maxUnavailable"] == 1


def test_a_gateways_number_is_its_pods():
    ordinal = next(
        one for one in container_of("gateway")["env"] if one["name"] == "SWITCH__GATEWAY__ORDINAL"
    )
    assert ordinal["valueFrom"]["fieldRef"]["fieldPath"] == POD_NUMBER
    assert WORKLOADS["gateway"]["spec"]["replicas"] <= REPLIES_PARTITION_COUNT


def test_what_terminals_connect_to_are_the_gateways_listeners():
    settings = read_settings(environment_of("gateway")).gateway
    addresses = {
        "unionpay-pos": settings.unionpay_pos_address,
        "iso1987-ascii": settings.iso1987_ascii_address,
    }
    ports = {one["name"]: one["containerPort"] for one in container_of("gateway")["ports"]}
    [service] = [one for one in find_all("Service") if one["metadata"]["name"] == "switch-gateway"]
    for name, address in addresses.items():
        assert address == f"0.0.0.0:{ports[name]}"
        assert name in [one["targetPort"] for one in service["spec"]["ports"]]


def test_every_service_finds_pods_and_every_set_its_service():
    services = {one["metadata"]["name"]: one["spec"] for one in find_all("Service")}
    for spec in services.values():
        assert spec["selector"] in [labels_of(role) for role in ROLES]
    for role in ("gateway", "handler"):
        assert WORKLOADS[role]["spec"]["serviceName"] in services


@pytest.mark.parametrize("role", WORKLOADS)
def test_labels_select_the_pods_they_belong_to(role):
    if WORKLOADS[role]["kind"] != "Job":
        assert WORKLOADS[role]["spec"]["selector"]["matchLabels"] == labels_of(role)


def test_the_job_is_gone_before_another_version_is_applied():
    # a job's template can never be changed: beside an old one `apply` of a new image is refused
    assert 0 < WORKLOADS["topics"]["spec"]["ttlSecondsAfterFinished"] <= 600


@pytest.mark.parametrize("role", WORKLOADS)
def test_volumes_are_mounted_and_claims_made(role):
    volumes = {one["name"]: one for one in pod_of(role)["volumes"]}
    assert {one["name"] for one in container_of(role)["volumeMounts"]} == set(volumes)
    claims = {one["metadata"]["name"]: one["spec"] for one in find_all("PersistentVolumeClaim")}
    for volume in volumes.values():
        if "persistentVolumeClaim" in volume:
            claim = claims[volume["persistentVolumeClaim"]["claimName"]]
            assert claim["accessModes"] == ["ReadWriteMany"]


def allowed_ports(role, direction):
    """Return the ports that network policies open for a role."""
    found = set()
    for policy in find_all("NetworkPolicy"):
        selector = policy["spec"]["podSelector"]
        rules = selector.get("matchExpressions", [])
        chosen = selector.get("matchLabels", {}).items() <= labels_of(role).items() and all(
            labels_of(role)[rule["key"]] in rule["values"] for rule in rules
        )
        if chosen:
            for rule in policy["spec"].get(direction, []):
                found |= {port["port"] for port in rule["ports"]}
    return found


def test_nobody_speaks_with_anybody_unless_it_is_said():
    [closed] = [one for one in find_all("NetworkPolicy") if one["spec"]["podSelector"] == {}]
    assert closed["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize(
    ("role", "inwards", "outwards"),
    [
        ("gateway", {8080, 8583, 8584}, {53, 9092, 5432}),
        ("handler", {8080}, {53, 9092, 8590}),
        ("registrar", {8080}, {53, 9092}),
        ("projector", {8080}, {53, 9092, 5432}),
        ("topics", {8080}, {53, 9092}),
    ],
)
def test_a_role_speaks_with_those_that_it_needs(role, inwards, outwards):
    assert allowed_ports(role, "ingress") == inwards
    assert allowed_ports(role, "egress") == outwards
    settings = read_settings(environment_of(role))
    for broker in settings.log.url.removeprefix("kafka://").split(","):
        assert int(broker.rpartition(":")[2]) in outwards
    if role == "handler":
        for address in settings.issuer_link.links.values():
            assert int(address.rpartition(":")[2]) in outwards


def test_the_image_has_one_version_and_no_host():
    [image] = KUSTOMIZATION["images"]
    assert {container_of(role)["image"] for role in WORKLOADS} == {image["name"]}
    check_image(f"{image['name']}:{image['newTag']}")
