import datetime as dt
import random
from collections import Counter

import pytest

from loadtest.generated_journal import FIRST_AT_MS
from projections.queries import cases
from projections.queries.cases import (
    ANY,
    INCIDENT_GAP_MS,
    CaseWanted,
    find_case,
    find_partition,
    list_case_lines,
    list_cases,
    load_case,
)
from switch.domain.cases.kinds import GROUPED_KINDS, kinds_of_team

NOW = FIRST_AT_MS + 3_600_000


@pytest.fixture
def connection(queried):
    return queried


async def one(connection, condition):
    row = await connection.fetchrow(f"SELECT * FROM audit.cases WHERE {condition} LIMIT 1")
    assert row is not None, condition
    return row


async def listed(connection, **wanted):
    return await list_cases(connection, CaseWanted(limit=1_000, **wanted), NOW)


async def test_what_waits_for_somebody_is_listed_latest_first(connection):
    found = await listed(connection)
    assert found
    assert {case.state for case in found} <= {"open", "proposed"}
    times = [case.opened_at_ms for case in found]
    assert times == sorted(times, reverse=True)
    everything = await listed(connection, state=ANY)
    count = await connection.fetchval("SELECT count(*) FROM audit.cases")
    assert len(everything) == count > len(found)
    assert len(await list_cases(connection, CaseWanted(state=ANY, limit=3), NOW)) == 3


async def test_a_case_is_told_with_what_its_payment_says(connection):
    row = await one(connection, "kind = 'not-served'")
    case = await find_case(connection, row["case_id"], NOW)
    payment = await connection.fetchrow("SELECT * FROM audit.payments WHERE rrn = $1", row["rrn"])
    assert case is not None
    assert (case.amount_minor, case.currency, case.link) == (
        payment["amount_minor"],
        "156",
        "issuer-a-1",
    )
    assert case.since_ms == payment["opened_at_ms"]
    assert await find_case(connection, "nothing", NOW) is None
    assert await find_partition(connection, row["case_id"]) == row["partition"]
    assert await find_partition(connection, "nothing") is None


@pytest.mark.parametrize("name", ["state", "kind", "rrn", "merchant_id"])
async def test_a_list_can_be_narrowed(connection, name):
    row = await one(connection, "kind = 'outcome-open' AND state = 'closed'")
    full = await find_case(connection, row["case_id"], NOW)
    wanted = {"state": ANY} | {name: getattr(full, name)}
    found = await listed(connection, **wanted)
    assert row["case_id"] in {case.case_id for case in found}
    assert {getattr(case, name) for case in found} == {getattr(full, name)}


async def test_an_amount_whose_currency_nobody_named_is_told_all_the_same(connection):
    row = await one(connection, "kind = 'not-served'")
    await connection.execute(
        "UPDATE audit.cases SET rrn = '', amount_minor = 150000, currency = '' WHERE case_id = $1",
        row["case_id"],
    )
    case = await find_case(connection, row["case_id"], NOW)
    assert (case.amount_minor, case.currency) == (150_000, "")


async def test_an_owner_is_a_person_or_else_the_team_of_the_kind(connection):
    await connection.execute("UPDATE audit.cases SET owner = ''")
    row = await one(connection, "ended_at_ms = 0")
    await connection.execute("UPDATE audit.cases SET owner = 'anna' WHERE case_id = $1", row[0])
    assert [case.case_id for case in await listed(connection, owner="anna")] == [row["case_id"]]
    settlement = await listed(connection, state=ANY, owner="settlement")
    assert settlement
    assert {case.kind for case in settlement} <= set(kinds_of_team("settlement"))
    assert row["case_id"] not in {case.case_id for case in settlement}


async def test_cases_of_one_line_that_come_together_are_one_incident(connection):
    found = await listed(connection, state=ANY)
    incidents = {case.incident for case in found if case.kind in GROUPED_KINDS}
    [incident] = incidents  # of both partitions: the journal tells of a few seconds
    assert incident.startswith("issuer-a-1@2026")
    assert len({case.partition for case in found if case.incident}) > 1
    assert {case.incident for case in found if case.kind not in GROUPED_KINDS} == {""}
    [line] = [
        line
        for line in await list_case_lines(connection, CaseWanted(state=ANY, limit=1_000), NOW)
        if line.kind == "reversal-not-found"
    ]
    cases = [case for case in found if case.kind == "reversal-not-found"]
    assert (line.line, line.count, line.is_incident) == (incident, len(cases), True)
    assert line.amount_minor == sum(case.amount_minor for case in cases)
    assert len(await listed(connection, state=ANY, incident=incident)) == sum(
        case.incident == incident for case in found
    )


async def test_a_quiet_line_begins_a_new_incident_when_it_is_in_trouble_again(connection):
    row = await one(connection, "kind = 'reversal-not-found'")
    await connection.execute(
        "UPDATE audit.payments SET opened_at_ms = opened_at_ms + 3600000 WHERE rrn = $1",
        row["rrn"],
    )
    case = await find_case(connection, row["case_id"], NOW)
    found = await listed(connection, state=ANY)
    assert sum(one.incident == case.incident for one in found) == 1
    lines = await list_case_lines(connection, CaseWanted(state=ANY, limit=1_000), NOW)
    [line] = [line for line in lines if line.line == case.case_id]
    assert not line.is_incident  # one case is shown by its own name
    assert len({one.incident for one in found if one.incident}) == 2


@pytest.mark.parametrize("seed", range(4))
async def test_an_incident_goes_on_until_its_line_was_quiet_for_longer_than_the_gap(
    connection, seed
):
    """Against the plain rule, with gaps of every length around the one that counts."""
    rows = await connection.fetch(
        "SELECT DISTINCT p.rrn, p.link FROM audit.cases c JOIN audit.payments p ON p.rrn = c.rrn "
        "WHERE c.kind = ANY($1::text[]) AND p.link <> '' ORDER BY p.rrn",
        list(GROUPED_KINDS),
    )
    dice = random.Random(seed)
    steps = [
        1,
        INCIDENT_GAP_MS // 2,
        INCIDENT_GAP_MS - 1,
        INCIDENT_GAP_MS,
        INCIDENT_GAP_MS + 1,
        2_000_000,
    ]
    want, last, names = {}, {}, {}
    at_ms = FIRST_AT_MS
    for row in dice.sample(rows, len(rows)):
        at_ms += dice.choice(steps)
        link = dice.choice(["issuer-a", "issuer-b"])
        if at_ms - last.get(link, 0) > INCIDENT_GAP_MS:
            names[link] = (
                f"{link}@{dt.datetime.fromtimestamp(at_ms // 1_000, dt.UTC):%Y%m%dT%H%M%SZ}"
            )
        last[link], want[row["rrn"]] = at_ms, names[link]
        await connection.execute(
            "UPDATE audit.payments SET opened_at_ms = $1, link = $2 WHERE rrn = $3",
            at_ms,
            link,
            row["rrn"],
        )
    cases = [case for case in await listed(connection, state=ANY) if case.incident]
    assert {case.rrn: case.incident for case in cases} == want
    assert len(set(want.values())) > 2
    for case in cases[:3]:
        assert await find_case(connection, case.case_id, NOW) == case
    lines = await list_case_lines(connection, CaseWanted(state=ANY, limit=1_000), NOW)
    found = Counter((case.incident, case.kind, case.currency) for case in cases)
    assert Counter(found.values()) == Counter(
        line.count for line in lines if line.kind in GROUPED_KINDS
    )
    several = {
        (line.line, line.kind, line.currency): line.count for line in lines if line.is_incident
    }
    assert several == {key: count for key, count in found.items() if count > 1}


async def test_an_incident_that_began_long_ago_has_one_name_wherever_it_is_told(
    connection, monkeypatch
):
    gap_ms = 8 * 3_600_000
    monkeypatch.setattr(cases, "INCIDENT_GAP_MS", gap_ms)
    found = [case for case in await listed(connection, state=ANY) if case.incident][:30]
    for place, case in enumerate(found):
        at_ms = NOW - (len(found) - place) * gap_ms
        await connection.execute(
            "UPDATE audit.payments SET opened_at_ms = $1, link = 'issuer-z' WHERE rrn = $2",
            at_ms,
            case.rrn,
        )
        await connection.execute(
            "UPDATE audit.cases SET opened_at_ms = $1, ended_at_ms = $1 WHERE rrn = $2",
            at_ms,
            case.rrn,
        )
    last = found[-1]
    await connection.execute(
        "UPDATE audit.cases SET ended_at_ms = 1 WHERE ended_at_ms = 0 AND case_id <> $1",
        last.case_id,
    )
    await connection.execute(
        "UPDATE audit.cases SET ended_at_ms = 0 WHERE case_id = $1", last.case_id
    )
    shown = await find_case(connection, last.case_id, NOW)
    [waiting] = await listed(connection)
    assert shown is not None
    assert waiting.incident == shown.incident
    assert [one.case_id for one in await listed(connection, incident=shown.incident)] == [
        last.case_id
    ]


async def test_a_case_by_itself_is_a_line_of_its_own(connection):
    lines = await list_case_lines(connection, CaseWanted(state=ANY, limit=1_000), NOW)
    single = next(line for line in lines if line.kind == "not-served")
    assert (single.count, single.is_incident) == (1, False)
    case = await find_case(connection, single.line, NOW)
    assert (single.state, single.merchant_id) == (case.state, case.merchant_id)


async def test_a_case_is_shown_with_its_history_and_its_payment(connection):
    row = await one(connection, "kind = 'not-served' AND state = 'resolved'")
    case = await find_case(connection, row["case_id"], NOW)
    shown = await load_case(connection, case)
    assert [step.tag.removesuffix(".v1") for step in shown.history] == [
        "case-opened",
        "case-noted",
        "case-assigned",
        "case-noted",
        "case-resolution-proposed",
        "case-resolved",
    ]
    assert shown.standing.payment.rrn == case.rrn
    assert "payment-requested.v1" in {step.tag for step in shown.steps}
    assert shown.verdict.line.startswith(("DEBITED AND RETURNED", "BEING RETURNED"))


async def test_a_parked_record_is_shown_with_its_parking(connection):
    row = await one(connection, "kind = 'inbound-parked'")
    shown = await load_case(connection, await find_case(connection, row["case_id"], NOW))
    assert [step.tag for step in shown.history] == ["inbound-parked.v1"]
    assert (shown.standing, shown.steps) == (None, ())
    assert shown.case.currency == ""
