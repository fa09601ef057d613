import os
import socket
import time

import pytest

from infra.kafka.cluster import KafkaCluster
from infra.kafka.machine import KafkaLaunchError
from infra.kafka.node import QUICK_FLAG
from infra.kafka.probe import find_brokers
from infra.kafka.security import Access

ANSWERS_WITHIN_S = 60.0


def say_nothing(_line: str) -> None:
    pass


def wait_for_brokers(port: int) -> frozenset[int]:
    """Ask again and again: a broker under load may miss the moment that one asking takes."""
    deadline = time.monotonic() + ANSWERS_WITHIN_S
    while not (found := find_brokers(port, Access())) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


@pytest.fixture
def idle_node(tmp_path):
    """A node that was never started."""
    [node] = KafkaCluster(tmp_path / "cluster", report=say_nothing).nodes
    return node


@pytest.fixture(scope="module")
def node(kafka_libs, tmp_path_factory):
    """A node that tests may freeze and kill."""
    assert kafka_libs.is_dir()
    cluster = KafkaCluster(tmp_path_factory.mktemp("node") / "cluster", report=say_nothing)
    try:
        cluster.start()
        yield cluster.nodes[0]
    finally:
        cluster.remove()


def test_a_process_that_took_over_the_id_is_not_taken_for_the_broker(idle_node):
    idle_node.directory.mkdir(parents=True)
    state = f'{{"pid": {os.getpid()}, "process_start": 1}}'
    (idle_node.directory / "kafka.json").write_text(state)
    assert idle_node.pid is None
    idle_node.stop()
    idle_node.kill()  # and this test is still running


@pytest.mark.parametrize("is_quick", [True, False])
def test_a_broker_that_is_to_be_measured_is_compiled_as_far_as_java_can(tmp_path, is_quick):
    [node] = KafkaCluster(tmp_path, is_quick=is_quick, report=say_nothing).nodes
    assert (QUICK_FLAG in node._flags) == is_quick


def test_what_does_not_run_cannot_be_frozen(idle_node):
    with pytest.raises(KafkaLaunchError, match="node 1 does not run"):
        idle_node.freeze()


@pytest.mark.kafka
@pytest.mark.usefixtures("kafka_libs")
def test_a_taken_port_is_named_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cluster = KafkaCluster(tmp_path, ports=[port], report=say_nothing)
        with pytest.raises(KafkaLaunchError, match=f"port {port} is taken"):
            cluster.start()


@pytest.mark.kafka
def test_a_frozen_broker_answers_nobody_until_it_is_thawed(node):
    node.freeze()
    assert find_brokers(node.port, Access()) == frozenset()
    assert node.pid is not None
    node.thaw()
    assert wait_for_brokers(node.port) == {1}  # it may first have to hear of itself again


@pytest.mark.kafka
def test_a_broker_that_was_killed_while_frozen_starts_again_where_it_was(node):
    first_pid, port = node.pid, node.port
    node.freeze()
    node.kill()
    assert node.pid is None
    node.start()
    assert node.pid not in (None, first_pid)
    assert node.port == port
    assert wait_for_brokers(port) == {1}


@pytest.mark.kafka
def test_a_frozen_broker_can_be_stopped(node):
    node.freeze()
    node.stop()
    assert node.pid is None
    assert find_brokers(node.port, Access()) == frozenset()


@pytest.mark.kafka
@pytest.mark.usefixtures("kafka_libs")
def test_a_broker_that_cannot_start_says_why(tmp_path):
    cluster = KafkaCluster(tmp_path, settings={"log.segment.bytes": "many"}, report=say_nothing)
    with pytest.raises(KafkaLaunchError, match=r"log\.segment\.bytes"):
        cluster.start()
