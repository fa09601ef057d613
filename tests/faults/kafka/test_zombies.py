"""SIGSTOP and SIGCONT: who stood still for longer than anybody waits, and goes on."""

import pytest

from tests.faults.kafka.conftest import ROUNDS
from tests.faults.kafka.scenarios import (
    LONG_APPENDS,
    find_owner,
    let_an_ack_come_late,
    let_strays_land,
    pass_time,
    wait_succeeded,
)

pytestmark = [pytest.mark.process, pytest.mark.kafka]

FROZEN_S = 6.0  # longer than the terminals' deadline


def test_a_handler_that_stood_still_is_succeeded_and_stops(stand, noise):
    stand.start(handlers=3)
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    crowd.wait_paid(20)
    for _ in range(ROUNDS):
        zombie, taken = find_owner(stand)
        with zombie.frozen():
            wait_succeeded(stand, taken)
            crowd.wait_paid(20)
        crowd.wait_paid(20)
    stand.check(crowd)


def test_what_a_zombie_wrote_is_void_and_counted(proxied, make_stand, noise):
    """Its records wait in the proxy until a successor has claimed, and land behind the claim."""
    cluster, proxy = proxied
    stand = make_stand(cluster, bootstrap=cluster.proxied_bootstrap).start()
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    crowd.wait_paid(20)
    let_strays_land(stand, proxy)
    stand.wait_voids_counted()  # by who owns it, at its next records
    journal = stand.check(crowd)
    assert journal.void()


def test_a_debit_is_not_sent_late(proxied, make_stand, noise):
    """The ack of its route comes when a successor has long reversed it: the window is over."""
    cluster, proxy = proxied
    stand = make_stand(cluster, LONG_APPENDS, bootstrap=cluster.proxied_bootstrap)
    stand.alteration = "patient"
    stand.start()
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    crowd.wait_paid(20)
    let_an_ack_come_late(stand, proxy)
    crowd.wait_paid(20)
    stand.check(crowd)


def test_a_gateway_that_stood_still_tells_nobody_anything_late(stand, noise):
    stand.start()
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    for gateway in stand.gateways:
        crowd.wait_paid(20)
        with gateway.frozen():
            pass_time(FROZEN_S)
        crowd.wait_paid(20)
    stand.check(crowd)
