"""Who owns what: fights, storms, planned hand-overs, changes that reach everybody."""

import time

import pytest

from tests.environment import CALM_TIMES, name_variables
from tests.faults.counter import write_shops
from tests.faults.kafka.conftest import IS_LONG, ROUNDS
from tests.faults.kafka.proxy import GROUP_REQUESTS, Direction, Verb
from tests.faults.kafka.scenarios import find_owner, pass_time, wait_succeeded
from tests.faults.kafka.stand import PARTITION_COUNT
from tests.faults.stand import now_ms, until

pytestmark = [pytest.mark.process, pytest.mark.kafka]

STORM_S = 60.0 if IS_LONG else 12.0
JOIN_EVERY_S = 2.0
FIGHT_S = 10.0
CUT_OFF_S = 9.0  # longer than the longest drain, two seconds and the first delay of a fight
FOR_EVER = 1_000_000
CLAIMS_IN_A_FIGHT_MAX = 40  # of four partitions in ten seconds, the delays growing
REACHED_WITHIN_S = 1.0
ALL_PARTITIONS = {"OWNERSHIP__PROPOSER": "static"}
NOT_ACTIVE = "03"
# a machine that stands still for seconds declines nothing either
CALM = {
    name.removeprefix("SWITCH__"): value for name, value in name_variables(CALM_TIMES).items()
} | {"OWNERSHIP__SESSION_TIMEOUT_MS": "6000"}
CALM_PATIENCE_S = 30.0


def test_two_claimers_of_the_same_partitions_come_to_an_end(make_stand, shared_broker, noise):
    stand = make_stand(shared_broker, ALL_PARTITIONS).start(handlers=2)
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    crowd.wait_paid(20)
    before = len(stand.claims())
    pass_time(FIGHT_S)
    assert len(stand.claims()) - before < CLAIMS_IN_A_FIGHT_MAX
    crowd.wait_paid(30)
    stand.check(crowd)


def test_an_ownership_storm_keeps_the_order_of_every_terminal_and_payments_go_on(stand, noise):
    stand.start(handlers=3)
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    crowd.wait_paid(20)
    paid_before, over_at = crowd.paid_count(), time.monotonic() + STORM_S

    def is_slow():
        """Whether too little was paid so far; a busy machine gets more time for it."""
        return crowd.paid_count() - paid_before <= STORM_S and time.monotonic() < over_at + STORM_S

    while time.monotonic() < over_at or is_slow():
        leaving = noise.choice(stand.handlers)
        if noise.random() < 1 / 2:
            leaving.stop()
        else:
            leaving.kill()
        pass_time(JOIN_EVERY_S)
        leaving.start()
    paid_in_storm = crowd.paid_count() - paid_before
    stand.check(crowd)
    assert paid_in_storm > STORM_S, "about one payment a second and more, storm or not"


def test_who_is_cut_off_from_the_group_alone_takes_nothing_back(proxied, make_stand, noise):
    """It is still proposed what it was; everything else that it asks of the broker is answered."""
    cluster, proxy = proxied
    stand = make_stand(cluster, bootstrap=cluster.proxied_bootstrap).start()
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    crowd.wait_paid(20)
    cut_off, taken = find_owner(stand)
    for api_key in GROUP_REQUESTS:
        proxy.order(Verb.CUT, Direction.TO_SERVER, api_key=api_key, pid=cut_off.pid, count=FOR_EVER)
    wait_succeeded(stand, taken)
    before = len(stand.claims())
    pass_time(CUT_OFF_S)
    claimed = [claim for claim in stand.claims()[before:] if claim.owner in taken.values()]
    assert not claimed, claimed
    crowd.wait_paid(20)
    proxy.heal()
    until(lambda: cut_off in stand.partitions().values(), "it is a member again")
    stand.check(crowd)


def test_a_rolling_restart_declines_nothing_and_reverses_nothing(make_stand, shared_broker, noise):
    stand = make_stand(shared_broker, CALM).start(handlers=2)
    crowd = stand.crowd(seed=noise.random(), clerk_count=0, patience_s=CALM_PATIENCE_S)
    crowd.is_plain = True  # whatever is not approved now is the switch's doing
    crowd.start()
    crowd.wait_paid(30)
    for _ in range(ROUNDS // 2):
        for member in (*stand.handlers, *stand.gateways):
            assert member.stop() == 0
            member.start().wait_ready()
            crowd.wait_paid(20)
    stand.check(crowd)
    refused = [x for x in crowd.exchanges if x.code not in {"00", ""}]
    assert not refused, refused
    assert not [line for line in stand.ledger() if line["op"] == "reversal"]


def test_a_change_of_the_registry_reaches_every_handler_within_a_second(stand, noise):
    stand.start(handlers=2)
    crowd = stand.crowd(seed=noise.random(), rate_per_s=40, clerk_count=0)
    crowd.is_plain = True
    crowd.start()
    crowd.wait_paid(20)
    text = write_shops(stand.specs).replace(
        'status = "activated"\nmcc', 'status = "suspended"\nmcc'
    )
    stand.load_registry(text)
    changed_at = now_ms()
    until(lambda: {x.code for x in crowd.exchanges[-30:]} == {NOT_ACTIVE}, "all are refused")
    late = [
        x
        for x in crowd.exchanges  # a repeat hears again what was said before
        if x.code == "00" and x.kind == "sale" and x.sent_at > changed_at + 1_000 * REACHED_WITHIN_S
    ]
    assert not late, late
    assert len(stand.partitions()) == PARTITION_COUNT
    stand.check(crowd)


def test_handlers_of_two_versions_read_each_other(make_stand, shared_broker, noise):
    """The newer one writes a field that the other does not know."""
    stand = make_stand(shared_broker).start(handlers=1)
    stand.alteration = "newer-records"
    stand.add_handler().wait_ready()
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    for member in (*stand.handlers, stand.handlers[0]):
        crowd.wait_paid(20)
        member.kill()
        crowd.wait_paid(20)
        member.start().wait_ready()
    stand.check(crowd)
    assert any("newer" in d.content for d in stand.journal().valid())
    assert any("newer" not in d.content for d in stand.journal().valid())


def test_a_storm_of_duplicates_after_a_gateway_came_back_debits_nothing(stand, noise):
    stand.start(handlers=2)
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    crowd.wait_paid(60)
    crowd.finish()
    stand.wait_settled()
    debits = [line for line in stand.ledger() if line["op"] == "debit"]
    for gateway in stand.gateways:
        gateway.kill()
        gateway.start().wait_ready()
    crowd.resend_all(10)
    stand.check(crowd)
    assert [line for line in stand.ledger() if line["op"] == "debit"] == debits


def test_who_takes_over_elsewhere_begins_from_a_snapshot_of_the_topic(stand, noise):
    stand.start(handlers=2)
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    crowd.wait_paid(20)
    owner, taken = find_owner(stand)
    [other] = [handler for handler in stand.handlers if handler is not owner]
    until(lambda: count_snapshots(owner, "sent") > len(taken), "its snapshots are in the topic")
    owner.kill()  # and its folder is of no use to anybody else
    wait_succeeded(stand, taken)
    until(lambda: count_snapshots(other, "loaded"), "a successor has begun from a snapshot")
    crowd.wait_paid(20)
    owner.start()
    stand.check(crowd)


def count_snapshots(handler, outcome):
    return handler.metrics("switch_snapshots_total", "outcome").get(outcome, 0.0)
