"""What each role may do with the log, and what is refused: really tried, on a strict broker."""

import asyncio
import re
import secrets
import time

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from infra.kafka import permissions
from infra.kafka.cluster import KafkaCluster
from infra.kafka.permissions import AclFileWrong, Permission
from infra.kafka.security import BrokerSecurity
from switch.adapters.kafka_log import KafkaLog
from switch.adapters.kafka_topic_check import TOPIC_LOGS, TopicWishes
from switch.adapters.kafka_topics import create_topics
from switch.apps.log_settings import make_kafka_security
from switch.apps.settings_sources import load_settings
from switch.eventlog.port import AppendRefused, LogUnavailable

PREFIX = permissions.DEFAULT_PREFIX
GROUP = f"{PREFIX}handlers"
ONE_BROKER = TopicWishes(single_broker=True)
EVERY_LOG = set(TOPIC_LOGS)
# Said here once more: a file that allows more, or less, is found.
MAY_READ = {
    "gateway": {"registry", "replies", "status"},
    "handler": {"inbound", "journal", "registry", "snapshots", "status"},
    "registrar": {"registry", "status"},
    "projector": {"journal", "status"},
    "reader": EVERY_LOG,
    "topics-admin": set(),
    "up": EVERY_LOG,
}
MAY_WRITE = {
    "gateway": {"inbound", "status"},
    "handler": {"journal", "replies", "snapshots", "status"},
    "registrar": {"registry", "status"},
    "projector": {"status"},
    "reader": set(),
    "topics-admin": set(),
    "up": EVERY_LOG,
}
MAY_DECIDE = {"handler", "up"}  # is a member of the handlers' group
MAY_MAKE_TOPICS = {"topics-admin", "up"}


def test_every_role_is_tried():
    assert set(permissions.list_roles()) == set(MAY_READ) == set(MAY_WRITE)


@pytest.mark.parametrize("role", MAY_READ)
def test_a_file_allows_what_is_wanted_and_no_more(role):
    allowed = permissions.read_permissions(role)
    assert len(allowed) == len(set(allowed))
    by_operation = {
        operation: {one.name for one in allowed if one[::2] == ("topic", operation)}
        for operation in ("Read", "Write", "Create")
    }
    assert by_operation == {
        "Read": MAY_READ[role],
        "Write": MAY_WRITE[role],
        "Create": EVERY_LOG if role in MAY_MAKE_TOPICS else set(),
    }
    groups = [one for one in allowed if one.kind == "group"]
    wanted = [Permission("group", "handlers", "Read")] if role in MAY_DECIDE else []
    assert groups == wanted


def test_the_commands_allow_what_the_file_says(capsys):
    assert permissions.main(["projector", "--bootstrap", "b1:9092", "--prefix", "p-"]) == 0
    start = "kafka-acls.sh --bootstrap-server b1:9092 --command-config admin.properties --add"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# projector"
    assert (
        f"{start} --allow-principal User:projector --operation Describe"
        " --operation DescribeConfigs --operation Read --topic p-journal"
    ) in lines
    assert len(lines) == 1 + len(TOPIC_LOGS)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("reads = []", "'reads'"),
        ("read = [", "Invalid value|Unclosed|Unterminated"),
        ('like = ["nobody"]', r"nobody\.toml"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named(tmp_path, text, complaint):
    (tmp_path / "gateway.toml").write_text(text)
    with pytest.raises(AclFileWrong, match=complaint):
        permissions.read_permissions("gateway", tmp_path)


@pytest.fixture(scope="module")
def strict(kafka_libs, tmp_path_factory):
    """A broker with TLS, passwords and an authorizer; its topics hold a record each."""
    assert kafka_libs.is_dir()
    security = BrokerSecurity(is_tls=True, is_sasl=True, is_authorizing=True)
    yield from run_cluster(tmp_path_factory.mktemp("strict") / "cluster", security)


@pytest.fixture(scope="module")
def strict_by_certificate(kafka_libs, tmp_path_factory):
    """The same, with certificates instead of passwords."""
    assert kafka_libs.is_dir()
    security = BrokerSecurity(is_tls=True, is_authorizing=True)
    yield from run_cluster(tmp_path_factory.mktemp("mtls") / "cluster", security)


@pytest.fixture
async def closed_connections():
    """Wait, after the test, for TLS to say good-bye: of refused connections nobody does."""
    yield
    selector = asyncio.get_running_loop()._selector
    give_up_at = time.monotonic() + 10
    while len(selector.get_map()) > 1:  # the loop's own pipe is left
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.01)


def run_cluster(directory, security):
    cluster = KafkaCluster(directory, security=security, report=lambda _line: None)
    try:
        cluster.start()
        asyncio.run(fill(cluster))
        yield cluster
    finally:
        cluster.remove()


async def fill(cluster):
    await create_topics(
        cluster.bootstrap,
        prefix=PREFIX,
        partition_count=1,
        wishes=ONE_BROKER,
        security=security_of(cluster, "topics-admin"),
    )
    log = await connect(cluster, "admin")
    outcomes = [await append(log, name) for name in TOPIC_LOGS]
    assert outcomes == [0] * len(TOPIC_LOGS)
    await log.close()


def security_of(cluster, role):
    settings = load_settings(environment=cluster.environment(role)).settings
    return make_kafka_security(settings.log)


async def connect(cluster, role, prefix=PREFIX):
    return await KafkaLog.connect(
        cluster.bootstrap,
        prefix=prefix,
        partition_count=1,
        topics=ONE_BROKER,
        security=security_of(cluster, role),
    )


async def append(log, name):
    """Return the offset, or the name of the refusal."""
    partition = await log.open_partition(name, 0)
    outcome = asyncio.get_running_loop().create_future()
    partition.append(b'{"a":1}', outcome.set_result, key=b"k")
    async with asyncio.timeout(30):
        found = await outcome
    await partition.close()
    return found


async def may_write(log, name):
    outcome = await append(log, name)
    if isinstance(outcome, AppendRefused):
        # who may write nothing at all is refused before a topic is named
        assert re.search(r"(Topic|Cluster)AuthorizationFailedError", str(outcome))
        return False
    assert isinstance(outcome, int)
    return True


async def may_read(log, name):
    partition = await log.open_partition(name, 0)
    try:
        async with asyncio.timeout(30):
            found = await partition.read(0, count_max=1, wait_ms=10_000)
    except LogUnavailable as error:
        if "may not read topic" in str(error):
            return False
        raise
    finally:
        await partition.close()
    return len(found) == 1


async def list_members(cluster, role):
    """Return the handlers' group as this role sees it; None: it may not look."""
    options = security_of(cluster, role).client_options()
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap, **options)
    try:
        await admin.start()
        [described] = await admin.describe_consumer_groups([GROUP])
    except GroupAuthorizationFailedError:
        return None
    finally:
        await admin.close()
    [(code, _, _, _, _, members, *_)] = described.groups
    assert code == 0
    return [member[1] for member in members]


async def may_join(cluster, role):
    consumer = AIOKafkaConsumer(
        f"{PREFIX}inbound",
        bootstrap_servers=cluster.bootstrap,
        client_id=role,
        group_id=GROUP,
        enable_auto_commit=False,
        **security_of(cluster, role).client_options(),
    )
    try:
        async with asyncio.timeout(30):
            await consumer.start()
            await consumer.getmany(timeout_ms=100)
            return await list_members(cluster, role) == [role]
    except (GroupAuthorizationFailedError, TopicAuthorizationFailedError):
        return False
    finally:
        await consumer.stop()


@pytest.mark.kafka
@pytest.mark.usefixtures("closed_connections")
@pytest.mark.parametrize("role", MAY_READ)
async def test_a_role_may_what_is_its_own_and_nothing_else(strict, role):
    log = await connect(strict, role)
    try:
        read, written = await asyncio.gather(
            asyncio.gather(*(may_read(log, name) for name in TOPIC_LOGS)),
            asyncio.gather(*(may_write(log, name) for name in TOPIC_LOGS)),
        )
    finally:
        await log.close()
    assert {name for name, may in zip(TOPIC_LOGS, read, strict=True) if may} == MAY_READ[role]
    assert {name for name, may in zip(TOPIC_LOGS, written, strict=True) if may} == MAY_WRITE[role]


@pytest.mark.kafka
@pytest.mark.usefixtures("closed_connections")
@pytest.mark.parametrize("role", ["handler", "gateway", "projector", "registrar"])
async def test_only_handlers_are_members_of_their_group(strict, role):
    assert await may_join(strict, role) == (role in MAY_DECIDE)
    assert (await list_members(strict, role) is None) == (role not in MAY_DECIDE)


@pytest.mark.kafka
@pytest.mark.usefixtures("closed_connections")
@pytest.mark.parametrize("role", MAY_READ)
async def test_the_topics_of_another_switch_are_closed_to_everybody(strict, role):
    with pytest.raises(LogUnavailable):
        await connect(strict, role, prefix="other-")


@pytest.mark.kafka
def test_a_cluster_of_ones_own_is_told_what_the_files_say(strict, monkeypatch, capsys):
    for name, value in strict.environment("admin").items():
        monkeypatch.setenv(name, value)
    assert permissions.main(["--apply", "--prefix", "third-"]) == 0
    assert f"may do its own at {strict.bootstrap}" in capsys.readouterr().out

    async def use():
        await create_topics(
            strict.bootstrap,
            prefix="third-",
            partition_count=1,
            wishes=ONE_BROKER,
            security=security_of(strict, "topics-admin"),
        )
        log = await connect(strict, "gateway", prefix="third-")
        assert await append(log, "inbound") == 0
        await log.close()

    asyncio.run(use())


@pytest.mark.kafka
@pytest.mark.usefixtures("closed_connections")
async def test_a_wrong_password_opens_nothing(strict):
    wrong = strict.environment("handler") | {"SWITCH__LOG__SASL_PASSWORD": secrets.token_hex(16)}
    security = make_kafka_security(load_settings(environment=wrong).settings.log)
    with pytest.raises(LogUnavailable, match="does not take the name 'handler'") as told:
        await KafkaLog.connect(strict.bootstrap, security=security)
    assert wrong["SWITCH__LOG__SASL_PASSWORD"] not in str(told.value)


@pytest.mark.kafka
@pytest.mark.usefixtures("closed_connections")
async def test_a_certificate_says_who_it_is_as_a_password_does(strict_by_certificate):
    log = await connect(strict_by_certificate, "projector")
    try:
        assert await may_read(log, "journal")
        assert not await may_write(log, "journal")
        assert not await may_read(log, "inbound")
    finally:
        await log.close()


@pytest.mark.kafka
@pytest.mark.usefixtures("closed_connections")
async def test_without_a_certificate_nobody_comes_in(strict_by_certificate):
    with_none = strict_by_certificate.environment("projector")
    del with_none["SWITCH__LOG__CERTIFICATE_FILE"], with_none["SWITCH__LOG__KEY_FILE"]
    security = make_kafka_security(load_settings(environment=with_none).settings.log)
    with pytest.raises(LogUnavailable):
        await KafkaLog.connect(strict_by_certificate.bootstrap, security=security)
