"""SIGSTOP and SIGCONT: who stood still for longer than anybody waits, and goes on."""

import time

import pytest

from tests.faults.kafka.conftest import ROUNDS
from tests.faults.kafka.proxy import PRODUCE, Direction, Verb
from tests.faults.stand import until

pytestmark = [pytest.mark.process, pytest.mark.kafka]

FROZEN_S = 6.0  # longer than the terminals' deadline
CLAIMED_WITHIN_S = 20.0
# the append deadline of a handler that hears its own ack, but long after it was frozen
LONG_APPENDS = {"TIMES__APPEND_DEADLINE_MS": "30000"}


def wait_succeeded(stand, taken):
    """Wait until others have claimed these partitions."""
    before = {claim.partition: claim.offset for claim in stand.claims() if claim.partition in taken}

    def is_claimed():
        now = {claim.partition: claim.offset for claim in stand.claims()}
        return all(now[partition] > offset for partition, offset in before.items())

    until(is_claimed, f"successors for {taken}", CLAIMED_WITHIN_S)


def find_owner(stand):
    """Return a handler that serves something, and the partitions that it serves."""
    served = until(stand.partitions, "somebody serves")
    owner = next(iter(served.values()))
    return owner, {index for index, handler in served.items() if handler is owner}


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
    zombie, taken = find_owner(stand)
    strays = proxy.order(
        Verb.HOLD, Direction.TO_SERVER, api_key=PRODUCE, topic="journal", pid=zombie.pid, count=99
    )
    until(lambda: strays.met, "a record on its way")
    with zombie.frozen():
        wait_succeeded(stand, taken)
        proxy.heal()
        until(lambda: stand.journal().void(), "void records")
    journal = stand.check(crowd)
    voids = sum(journal.void_count(index) for index in range(len(stand.owners())))
    assert voids >= 1
    stand.wait_voids_counted()


def test_a_debit_is_not_sent_late(proxied, make_stand, noise):
    """The ack of its route comes when a successor has long reversed it: the window is over."""
    cluster, proxy = proxied
    stand = make_stand(cluster, LONG_APPENDS, bootstrap=cluster.proxied_bootstrap).start()
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    crowd.wait_paid(20)
    zombie, taken = find_owner(stand)
    held = proxy.order(
        Verb.HOLD, Direction.TO_CLIENT, api_key=PRODUCE, topic="journal", pid=zombie.pid, count=99
    )
    until(lambda: held.met, "an ack on its way")
    with zombie.frozen():
        wait_succeeded(stand, taken)
        wait_given_up(stand, taken)
        proxy.heal()
    crowd.wait_paid(20)
    stand.check(crowd)


def wait_given_up(stand, taken):
    """Wait until the successors have told the issuer to reverse what they found routed."""

    def is_over():
        stories = stand.journal().stories.values()
        return not any(
            s.routed and not (s.approval or s.refusal or s.unknown)
            for s in stories
            if s.routed and s.routed.partition in taken
        )

    until(is_over, "the successors give up what they found routed")


def test_a_gateway_that_stood_still_tells_nobody_anything_late(stand, noise):
    stand.start()
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    for gateway in stand.gateways:
        crowd.wait_paid(20)
        with gateway.frozen():
            thawing_at = time.monotonic() + FROZEN_S
            until(lambda: time.monotonic() > thawing_at, "the time of the freeze")  # noqa: B023
        crowd.wait_paid(20)
    stand.check(crowd)
