"""Is the suite any good? With one safeguard taken out of the handlers, the judge must find it."""

from collections import Counter

import pytest

from tests.faults.kafka.conftest import IS_LONG
from tests.faults.kafka.proxy import Direction
from tests.faults.kafka.scenarios import LONG_APPENDS, let_an_ack_come_late, let_strays_land
from tests.faults.stand import until

pytestmark = [
    pytest.mark.process,
    pytest.mark.kafka,
    pytest.mark.skipif(not IS_LONG, reason="in the long form: make test-faults"),
]

OF_MONEY = {1, 2, 3, 4, 5}  # not those about what is unfinished: we do not wait until it is
ATTEMPTS = 3
ALL_PARTITIONS = {"OWNERSHIP__PROPOSER": "static"}
ON_THE_WIRE_S = 0.3


def find_sins(stand, crowd):
    """What the judge finds at this moment, by kind."""
    crowd.stop()
    found = Counter(
        (violation.invariant, violation.kind)
        for violation in stand.judge(crowd)
        if violation.invariant in OF_MONEY
    )
    print(stand.alteration, sum(found.values()), dict(found))  # noqa: T201 - for docs/faults.md
    return found


@pytest.fixture
def begin(proxied, make_stand, noise):
    """Start a stand behind the proxy whose handlers lack a safeguard."""
    cluster, proxy = proxied

    def begin(alteration, settings=None, handlers=2):
        stand = make_stand(cluster, settings, bootstrap=cluster.proxied_bootstrap)
        stand.alteration = alteration
        stand.start(handlers=handlers)
        crowd = stand.crowd(seed=noise.random())
        crowd.start()
        crowd.wait_paid(20)
        return stand, proxy, crowd

    return begin


def test_without_the_void_rule_it_fails(begin):
    stand, proxy, crowd = begin("no-void-rule")
    for _ in range(ATTEMPTS):
        let_strays_land(stand, proxy)
        for handler in set(stand.partitions().values()):  # who comes next believes the strays
            handler.kill()
            handler.start()
        crowd.wait_paid(20)
    assert find_sins(stand, crowd)


def test_without_the_append_check_it_fails(begin):
    stand, _, crowd = begin("no-append-check", ALL_PARTITIONS, handlers=1)
    stand.add_handler().wait_ready()
    for _ in range(ATTEMPTS):
        crowd.wait_paid(10)
    assert find_sins(stand, crowd)


def test_without_the_write_ahead_rule_it_fails(begin):
    stand, proxy, crowd = begin("no-write-ahead")
    proxy.delay(ON_THE_WIRE_S, Direction.TO_SERVER)
    for _ in range(ATTEMPTS):
        crowd.wait_paid(10)
        owners = until(stand.partitions, "somebody serves")
        for handler in set(owners.values()):
            handler.kill()
            handler.start()
    crowd.wait_paid(5)
    assert find_sins(stand, crowd)


def test_without_the_send_window_it_fails(begin):
    stand, proxy, crowd = begin("patient,no-send-window", LONG_APPENDS)
    for _ in range(ATTEMPTS):
        let_an_ack_come_late(stand, proxy)
        crowd.wait_paid(10)
    assert find_sins(stand, crowd)
