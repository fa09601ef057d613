"""Stands of many processes over a broker that all tests share, or over one that is broken."""

import os
import random

import pytest

from infra.kafka.cluster import KafkaCluster
from tests.faults.kafka.proxy import Proxy
from tests.faults.kafka.stand import Stand

SEED = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
IS_LONG = os.environ.get("SWITCH_FAULTS") == "long"
ROUNDS = 20 if IS_LONG else 2


class SharedBroker:
    """The broker of the whole test run: nobody breaks it."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def environment(self, _role):
        return {"SWITCH__LOG__SINGLE_BROKER": "true"}


@pytest.fixture
def noise(request):
    """Draws of this test alone; the seed is shown if it fails."""
    print(f"FAULTS_SEED={SEED}")  # noqa: T201
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def shared_broker(kafka_bootstrap):
    return SharedBroker(kafka_bootstrap)


@pytest.fixture
def make_stand(tmp_path):
    """Make stands that are a test's own; they are not started yet."""
    made = []

    def make(cluster, settings=None, **more):
        made.append(Stand(tmp_path / f"stand-{len(made)}", cluster, settings, **more))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def stand(make_stand, shared_broker):
    return make_stand(shared_broker)


@pytest.fixture
def make_cluster(kafka_bootstrap, tmp_path):  # noqa: ARG001 - it skips where there is no Java
    """Make clusters of a test's own, to be broken."""
    made = []

    def make(folder=None, **more):
        cluster = KafkaCluster(
            folder or tmp_path / f"kafka-{len(made)}", report=lambda _line: None, **more
        )
        made.append(cluster)
        cluster.start()
        return cluster

    yield make
    for each in made:
        for node in each.nodes:
            if node.pid is not None:
                node.thaw()
        each.remove()


@pytest.fixture
def proxied(make_cluster):
    """A broker of the test's own and the proxy that its clients are sent through."""
    proxy = Proxy(("127.0.0.1", 0)).start()
    try:
        cluster = make_cluster(proxied_ports=(proxy.port,))
        proxy.target = "127.0.0.1", cluster.nodes[0].proxied_port
        yield cluster, proxy
    finally:
        proxy.heal()
        proxy.stop()
