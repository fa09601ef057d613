"""kill -9 under load: of handlers, of gateways, of the projector and its database."""

import threading

import pytest

from tests.faults.kafka.conftest import ROUNDS
from tests.faults.kafka.proxy import Proxy
from tests.faults.stand import until

pytestmark = [pytest.mark.process, pytest.mark.kafka]

KILL_AFTER_S_MAX = 1.0
STALL_S_MAX = 15.0  # a take-over takes one to three seconds where nothing else runs


def test_handlers_are_killed_at_random_moments(stand, noise):
    stand.start(handlers=3)
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    crowd.wait_paid(20)
    for _ in range(ROUNDS):
        serving = until(stand.partitions, "somebody serves")
        victim = noise.choice(list(serving.values()))
        threading.Event().wait(noise.uniform(0, KILL_AFTER_S_MAX))
        victim.kill()
        crowd.wait_paid(30)
        victim.start().wait_ready()
    stand.check(crowd)
    assert crowd.longest_stall_s() < STALL_S_MAX
    assert len(stand.claims()) > len(stand.owners()), "nobody took anything over"


def test_gateways_are_killed_at_random_moments(stand, noise):
    stand.start()
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    for _ in range(ROUNDS):
        crowd.wait_paid(20)
        victim = noise.choice(stand.gateways)
        threading.Event().wait(noise.uniform(0, KILL_AFTER_S_MAX))
        victim.kill()
        crowd.wait_paid(20)
        victim.start().wait_ready()
    stand.check(crowd)


def test_everything_may_be_killed_at_once_and_a_supervisor_is_all_it_needs(stand, noise):
    stand.start()
    crowd = stand.crowd(seed=noise.random())
    with stand.supervised():
        crowd.start()
        crowd.wait_paid(20)
        for member in (*stand.handlers, *stand.gateways, stand.registrar):
            member.kill()
            member.is_wanted = True
        crowd.wait_paid(30)
        stand.check(crowd)


def test_the_projector_is_killed_and_its_tables_are_what_the_journal_says(stand, noise):
    stand.start(projector=True)
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    for _ in range(ROUNDS):
        crowd.wait_paid(20)
        threading.Event().wait(noise.uniform(0, KILL_AFTER_S_MAX))
        stand.projector.kill()
        stand.projector.start()
    stand.check(crowd)


def test_postgresql_is_killed_while_payments_go_on(stand, noise):
    stand.start(projector=True)
    crowd = stand.crowd(seed=noise.random())
    crowd.start()
    crowd.wait_paid(20)
    stand.kill_postgres()
    crowd.wait_paid(30)
    stand.postgres.start()
    stand.check(crowd)


@pytest.mark.parametrize("passes", [False, True], ids=["before-commit", "commit-unknown"])
def test_the_database_is_cut_off_at_a_commit(make_stand, shared_broker, noise, passes):
    stand = make_stand(shared_broker)
    stand.start()
    stand.start_postgres()
    with Proxy(stand.postgres_socket(), is_framed=False) as proxy:
        stand.add_projector(f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres")
        crowd = stand.crowd(seed=noise.random())
        crowd.start()
        for _ in range(ROUNDS):
            crowd.wait_paid(10)
            spot = proxy.mark(b"COMMIT", passes=passes)
            until(lambda: spot.met, "a commit that was cut")  # noqa: B023
        stand.check(crowd)
