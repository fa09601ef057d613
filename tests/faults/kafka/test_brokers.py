"""The log gives way: killed, frozen, cut off, slow, full."""

import pytest

from tests.faults.kafka.conftest import ROUNDS
from tests.faults.kafka.memory import NOT_HANDED_OVER
from tests.faults.kafka.proxy import Direction, Verb
from tests.faults.kafka.scenarios import pass_time
from tests.faults.stand import until
from tests.faults.test_disk import mount_small_disk

pytestmark = [pytest.mark.process, pytest.mark.kafka]

FROZEN_S = 10.0
BACK_WITHIN_S = 60.0
STALL_S_MAX = 30.0
CUTS_COUNT = 8
BLOW_S_MAX = 2.0
DISK_MIB = 200


def test_a_broker_is_killed_and_comes_back(make_cluster, make_stand, noise):
    cluster = make_cluster()
    stand = make_stand(cluster).start()
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    for _ in range(ROUNDS):
        crowd.wait_paid(20)
        cluster.nodes[0].kill()
        cluster.nodes[0].start()
        crowd.wait_paid(20, BACK_WITHIN_S)
    stand.check(crowd)
    assert crowd.longest_stall_s() < STALL_S_MAX


def test_the_leader_of_three_is_killed_and_payments_go_on_without_it(
    make_cluster, make_stand, noise
):
    cluster = make_cluster(node_count=3)
    stand = make_stand(cluster).start()
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    for _ in range(max(1, ROUNDS // 2)):
        crowd.wait_paid(20)
        leader = stand.find_leader("journal", noise.randrange(4))
        leader.kill()
        crowd.wait_paid(20, BACK_WITHIN_S)
        leader.start()
        until(stand.is_in_sync, "all replicas in sync", BACK_WITHIN_S)
    stand.check(crowd)
    assert crowd.longest_stall_s() < STALL_S_MAX


def test_connections_to_the_broker_are_cut_delayed_and_torn(proxied, make_stand, noise):
    cluster, proxy = proxied
    stand = make_stand(cluster, bootstrap=cluster.proxied_bootstrap).start()
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    crowd.wait_paid(20)
    for _ in range(CUTS_COUNT * ROUNDS // 2):
        direction = noise.choice(list(Direction))
        blow = noise.choice(
            [
                proxy.cut,
                lambda: proxy.cut_after(noise.randrange(200), direction),  # noqa: B023
                lambda: proxy.delay(noise.uniform(0.01, 0.4), direction),  # noqa: B023
                lambda: proxy.order(Verb.CUT, count=noise.randrange(1, 5)),
                lambda: proxy.order(Verb.DROP, direction, count=1),  # noqa: B023
                lambda: proxy.hold(direction),  # noqa: B023
                lambda: proxy.swallow(direction),  # noqa: B023
                lambda: proxy.dribble(7),
            ]
        )
        blow()
        pass_time(noise.uniform(0.1, BLOW_S_MAX))
        proxy.heal()
        crowd.wait_paid(8, BACK_WITHIN_S)
    stand.check(crowd)


@pytest.mark.parametrize("verb", [Verb.HOLD, Verb.CUT], ids=["held", "cut"])
def test_an_append_of_unknown_outcome_starts_over_from_the_claim(proxied, make_stand, noise, verb):
    cluster, proxy = proxied
    stand = make_stand(cluster, bootstrap=cluster.proxied_bootstrap).start()
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    for handler in stand.handlers:
        crowd.wait_paid(20)
        # ten answers: a producer that finds its connection cut asks again, and is told
        rule = proxy.order(verb, topic="journal", pid=handler.pid, count=10)
        before = len(stand.claims())
        until(lambda: rule.met, "an append whose ack does not come")  # noqa: B023
        if verb is Verb.HOLD:
            until(lambda: len(stand.claims()) > before, "a new claim")  # noqa: B023
        crowd.wait_paid(5, BACK_WITHIN_S)
        proxy.heal()
    stand.check(crowd)


def test_a_broker_that_stood_still_finds_terminals_waiting_and_declines_only_what_came_late(
    make_cluster, make_stand, noise
):
    cluster = make_cluster()
    stand = make_stand(cluster).start()
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    crowd.wait_paid(20)
    cluster.nodes[0].freeze()
    pass_time(FROZEN_S)
    assert not any(member.is_ready() for member in stand.gateways), "they say that they cannot"
    cluster.nodes[0].thaw()
    crowd.wait_paid(30, BACK_WITHIN_S)
    journal = stand.check(crowd)
    assert crowd.codes().get("", 0), "whoever was handed over heard nothing"
    assert any(x.reason in NOT_HANDED_OVER for x in crowd.exchanges), "whoever came later, 96"
    stale = [
        s for s in journal.stories.values() if (s.refusal or {}).get("reason") == "request-stale"
    ]
    assert all(s.routed is None for s in stale)


def test_a_full_disk_under_the_broker_declines_and_loses_nothing(
    make_cluster, make_stand, noise, tmp_path
):
    with mount_small_disk(tmp_path / "disk", DISK_MIB) as disk:
        cluster = make_cluster(disk.folder / "kafka")
        stand = make_stand(cluster).start()
        crowd = stand.crowd(seed=noise.random())
        crowd.start()
        crowd.wait_paid(20)

        def is_gone():
            disk.fill()
            return cluster.nodes[0].pid is None

        until(is_gone, "a broker that ends on a full disk", BACK_WITHIN_S)
        until(
            lambda: any(x.reason in NOT_HANDED_OVER for x in crowd.exchanges[-20:]),
            "a clear code",
            BACK_WITHIN_S,
        )
        approved = crowd.paid_count()
        disk.free()
        cluster.nodes[0].start()
        until(lambda: crowd.paid_count() > approved + 20, "payments again", BACK_WITHIN_S)
        stand.check(crowd)
        stand.stop()
        cluster.remove()
