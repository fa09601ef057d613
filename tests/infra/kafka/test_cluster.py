import time

import pytest
from aiokafka.client import AIOKafkaClient

from infra.kafka.cluster import KafkaCluster
from infra.kafka.machine import KafkaLaunchError, find_free_ports
from infra.kafka.probe import find_brokers
from infra.kafka.security import Access, BrokerSecurity
from switch.apps.settings_sources import load_settings

PLAIN = Access()
ADVERTISED = find_free_ports(3)


def say_nothing(_line: str) -> None:
    pass


@pytest.fixture(scope="module")
def three(kafka_libs, tmp_path_factory):
    """Three nodes, with a listener for a proxy."""
    assert kafka_libs.is_dir()
    cluster = KafkaCluster(
        tmp_path_factory.mktemp("three") / "cluster",
        node_count=3,
        proxied_ports=ADVERTISED,
        settings={"log.segment.bytes": "1048576"},
        report=say_nothing,
    )
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


def wait_until(holds) -> None:
    give_up_at = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def test_what_was_never_started_leaves_nothing_behind(tmp_path):
    cluster = KafkaCluster(tmp_path / "cluster", node_count=3, report=say_nothing)
    assert not cluster.is_running
    cluster.stop()
    cluster.remove()
    assert not (tmp_path / "cluster").exists()
    assert KafkaCluster.find(tmp_path / "cluster") is None


def test_a_folder_that_is_not_a_clusters_is_left_alone(tmp_path):
    (tmp_path / "precious").write_text("x")
    KafkaCluster(tmp_path, report=say_nothing).remove()
    assert (tmp_path / "precious").exists()


def test_given_ports_are_taken_and_others_found(tmp_path):
    ports = find_free_ports(3)
    cluster = KafkaCluster(tmp_path, node_count=3, ports=ports, report=say_nothing)
    assert [node.port for node in cluster.nodes] == ports
    assert cluster.bootstrap == ",".join(f"127.0.0.1:{port}" for port in ports)
    places = [node.place for node in cluster.nodes]
    further = {port for place in places for port in (place.internal_port, place.controller_port)}
    assert len(further | set(ports)) == 9
    assert cluster.proxied_bootstrap == ""


def test_no_listener_without_security_beside_one_with(tmp_path):
    with pytest.raises(KafkaLaunchError, match="without security"):
        KafkaCluster(tmp_path, security=BrokerSecurity(is_tls=True), proxied_ports=[1])


@pytest.mark.kafka
def test_every_node_knows_all_three(three):
    assert three.is_running
    for node in three.nodes:
        assert find_brokers(node.port, PLAIN) == {1, 2, 3}


@pytest.mark.kafka
def test_a_folder_keeps_what_it_is(three):
    again = KafkaCluster.find(three.directory, say_nothing)
    assert again.bootstrap == three.bootstrap
    assert [node.pid for node in again.nodes] == [node.pid for node in three.nodes]
    with pytest.raises(KafkaLaunchError, match="holds a cluster of 3"):
        KafkaCluster(three.directory, node_count=1)
    with pytest.raises(KafkaLaunchError, match="holds a cluster of 3"):
        KafkaCluster(three.directory, node_count=3, security=BrokerSecurity(is_tls=True))


@pytest.mark.kafka
def test_starting_what_runs_changes_nothing(three):
    pids = [node.pid for node in three.nodes]
    three.start()
    assert [node.pid for node in three.nodes] == pids


@pytest.mark.kafka
def test_the_switch_takes_three_as_they_are_and_one_only_on_request(three, tmp_path):
    log = load_settings(environment=three.environment("up")).settings.log
    assert log.url == f"kafka://{three.bootstrap}"
    assert not log.single_broker
    one = KafkaCluster(tmp_path, report=say_nothing)
    assert load_settings(environment=one.environment("up")).settings.log.single_broker
    assert (three.directory / "clients" / "handler.env").read_text() == (
        f"SWITCH__LOG__URL=kafka://{three.bootstrap}\n"
    )


@pytest.mark.kafka
@pytest.mark.parametrize("index", range(3))
async def test_the_listener_behind_a_proxy_sends_clients_to_the_proxy(three, index):
    assert three.proxied_bootstrap == ",".join(f"127.0.0.1:{port}" for port in ADVERTISED)
    port = three.nodes[index].proxied_port
    assert port not in ADVERTISED
    client = AIOKafkaClient(bootstrap_servers=f"127.0.0.1:{port}")
    await client.bootstrap()
    try:
        assert {broker.port for broker in client.cluster.brokers()} == set(ADVERTISED)
    finally:
        await client.close()


@pytest.mark.kafka
def test_a_killed_node_is_missed_and_comes_back(three):
    three.nodes[1].kill()
    wait_until(lambda: find_brokers(three.nodes[0].port, PLAIN) == {1, 3})
    assert not three.is_running
    three.nodes[1].start()
    wait_until(lambda: find_brokers(three.nodes[0].port, PLAIN) == {1, 2, 3})
    assert three.is_running


@pytest.mark.kafka
def test_all_of_them_stop_in_order(three):
    three.stop()
    assert not any(node.pid for node in three.nodes)
    assert KafkaCluster.find(three.directory, say_nothing).bootstrap == three.bootstrap
