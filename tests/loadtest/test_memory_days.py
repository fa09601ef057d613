import pytest

from loadtest.lone_partition import LonePartition
from loadtest.memory_days import DAY_MS, ERRANDS, MINUTE_MS, Days, DaysPlan, answer_as_issuer
from loadtest.memory_world import LINK, make_registry
from switch.domain.payment.payment import Phase
from switch.domain.payment.rules import DecisionRules
from switch.domain.upstream import MatchKey, UpstreamRequest
from switch.security.keys import Keys
from switch.security.keystore import MemoryKeyStore

PLAN = DaysPlan(merchants=2, terminals=4, messages_a_day=10, vanishing=2, vanishing_every_days=3)


def make_days():
    keys = Keys(MemoryKeyStore(), minute_key_lifetime_ms=MINUTE_MS)
    registry = make_registry(keys, PLAN.terminals + PLAN.vanishing, PLAN.merchants)
    partition = LonePartition(DecisionRules(), registry, keys, 20_000 * DAY_MS)
    partition.set_links((LINK,))
    days = Days(PLAN, partition)
    return days, partition


def tally(partition):
    book = partition.book
    kinds = [(one.transaction, one.phase) for one in book._shelf._payments.values()]
    return {kind: kinds.count(kind) for kind in set(kinds)}


@pytest.mark.parametrize("name", list(ERRANDS))
def test_every_errand_is_answered(name):
    days, partition = make_days()
    ERRANDS[name][1](days, days._cashiers[0])
    partition.pass_ms(MINUTE_MS)
    assert partition.replied is not None
    assert partition.partition.untold_count == 0


def test_days_pass_one_after_the_other_and_are_the_same_for_a_seed():
    tallies = []
    for _ in range(2):
        days, partition = make_days()
        for _ in range(4):
            days.pass_day()
        tallies.append((tally(partition), partition.inbound_count, partition.payment_count))
        assert partition.now.wall_ms // DAY_MS == 20_004
    assert tallies[0] == tallies[1]
    assert {phase for _, phase in tallies[0][0]} >= {Phase.APPROVED, Phase.DECLINED}
    assert days.vanished_count == 2


def test_at_night_every_outcome_is_known_and_every_case_resolved():
    days, partition = make_days()
    for _ in range(3):
        days.pass_day()
        assert partition.partition.open_count == 0
        assert partition.list_open_cases() == []


def test_a_quiet_day_has_one_message_and_its_batch():
    days, partition = make_days()
    days.pass_quiet_day()
    assert partition.payment_count == 1
    assert partition.inbound_count == 2


@pytest.mark.parametrize(
    ("minor", "kind", "codes"),
    [
        (1200, "payment", ["00"]),
        (1251, "payment", ["51"]),
        (1251, "reversal", ["00"]),
        (1298, "payment", []),
        (1298, "reversal", ["00"]),
        (1225, "payment", []),
        (1225, "reversal", ["25"]),
    ],
)
def test_the_amount_says_what_the_issuer_does(minor, kind, codes):
    request = UpstreamRequest(
        link=LINK,
        match=MatchKey(kind, "000001", "010000000001", "80000000"),
        mti="0200",
        fields={"amount_transaction": f"{minor:012d}"},
    )
    assert [answer["response_code"] for answer in answer_as_issuer(request)] == codes
