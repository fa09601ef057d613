import json

import pytest

from loadtest.generated_journal import SEALED_PAN
from projections.queries.case_file import (
    EVENTS_OF_PAYMENT,
    Subject,
    _family_of,
    find_by_key,
    find_by_reference,
    find_by_stan,
    load_case_file,
    load_refusals,
    load_standing,
)


@pytest.fixture
def connection(queried):
    return queried


async def one_payment(connection, condition):
    row = await connection.fetchrow(
        f"SELECT * FROM audit.payments WHERE {condition} ORDER BY rrn LIMIT 1"
    )
    assert row is not None, condition
    return row


@pytest.mark.parametrize("column", ["rrn", "idempotency_key"])
async def test_a_payment_is_found_by_rrn_and_by_key(connection, column):
    row = await one_payment(connection, "state = 'approved'")
    [found] = await find_by_reference(connection, row[column])
    assert (found.rrn, found.idempotency_key) == (row["rrn"], row["idempotency_key"])


async def test_a_clients_own_key_is_enough(connection):
    await connection.execute(
        "UPDATE audit.events SET idempotency_key = 'json|client-1|m-1|order%7' WHERE rrn = $1 "
        "AND idempotency_key <> ''",
        (await one_payment(connection, "state = 'declined'"))["rrn"],
    )
    [found] = await find_by_reference(connection, "order%7")
    assert found.idempotency_key == "json|client-1|m-1|order%7"
    assert await find_by_reference(connection, "rder%7") == []


async def test_a_payment_is_found_by_stan_and_terminal(connection):
    row = await one_payment(connection, "state = 'approved'")
    found = await find_by_stan(connection, row["stan"], row["terminal_id"])
    assert row["rrn"] in {one.rrn for one in found}
    assert await find_by_stan(connection, row["stan"], "99999999") == []


async def ask_once_more(connection, rrn, further_rrn, **changes):
    """Let what a payment asked be asked again later: as another payment, or as none."""
    columns = await connection.fetch(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'audit' AND table_name = 'events'"
    )
    values = {row["column_name"]: row["column_name"] for row in columns}
    values |= {"rrn": f"'{further_rrn}'", "journal_offset": "999999", "at_ms": "at_ms + 86400000"}
    values |= changes
    await connection.execute(
        f"INSERT INTO audit.events ({', '.join(values)}) SELECT {', '.join(values.values())}"
        " FROM audit.events WHERE rrn = $1 AND tag = 'payment-requested.v1' AND NOT is_void",
        rrn,
    )


async def test_a_payment_comes_before_a_later_sign_on_with_its_trace_number(connection):
    row = await one_payment(connection, "state = 'approved' AND kind = 'sale'")
    key = "'a|m|t|000002|000002|management'"
    await ask_once_more(connection, row["rrn"], "990000000009", idempotency_key=key)
    found = await find_by_stan(connection, row["stan"], row["terminal_id"])
    rrns = [one.rrn for one in found]
    assert rrns.index(row["rrn"]) < rrns.index("990000000009")


async def test_two_payments_of_one_key_are_both_found(connection):
    row = await one_payment(connection, "state = 'approved' AND kind = 'sale'")
    again = "990000000009"
    await ask_once_more(connection, row["rrn"], again)
    columns = ", ".join(name for name in row.keys() if name != "rrn")  # noqa: SIM118
    await connection.execute(
        f"INSERT INTO audit.payments (rrn, {columns}) SELECT $1, {columns} FROM audit.payments"
        " WHERE rrn = $2",
        again,
        row["rrn"],
    )
    found = await find_by_key(connection, row["idempotency_key"])
    assert [one.rrn for one in found] == [again, row["rrn"]]
    found = await find_by_stan(connection, row["stan"], row["terminal_id"])
    assert {again, row["rrn"]} <= {one.rrn for one in found}


async def test_a_whole_key_that_is_not_there_is_not_sought_as_a_part_of_others(connection):
    assert await find_by_key(connection, "nothing") == []


async def test_what_is_not_there_is_not_found(connection):
    assert await find_by_reference(connection, "991234567890") == []
    assert await find_by_reference(connection, "") == []
    assert await load_refusals(connection, "999999", "00000001") is None


async def test_the_case_file_of_a_reversed_payment_tells_its_whole_story(connection):
    row = await one_payment(
        connection,
        "state = 'reversed' AND returned_by = 'taken-back' AND settlement_date <> ''"
        " AND kind = 'sale' AND repeat_attempts = 0 AND reversal_attempts = 1 AND case_count = 0"
        " AND rrn NOT IN (SELECT original_rrn FROM audit.payments)",
    )
    case = await load_case_file(connection, Subject(rrn=row["rrn"]))
    assert case.payment is not None
    assert case.money_state == "returned"
    assert case.verdict.startswith("DEBITED AND RETURNED")
    valid = [step for step in case.steps if not step.is_void]
    assert [step.tag.removesuffix(".v1") for step in valid] == [
        "payment-requested",
        "payment-routed",
        "issuer-answered",
        "payment-approved",
        "reversal-requested",
        "reversal-accepted",
        "reversal-attempted",
        "reversal-answered",
        "payment-reversed",
    ]
    assert valid[0].gap_ms == 0
    assert sum(step.gap_ms for step in valid) == valid[-1].at_ms - valid[0].at_ms
    assert {step.registry_position for step in valid} == {57}
    assert valid[1].told_issuer
    assert valid[2].issuer_said.startswith("00")
    assert valid[3].told_terminal == "00 approved authorization A1B2C3"
    assert valid[5].rule == "issuer must return it"


async def test_a_reversal_that_was_refused_is_told_with_its_answer(connection):
    row = await one_payment(connection, "state = 'approved' AND kind = 'sale' AND case_count = 0")
    told = {
        "reversal-requested.v1": {"request": {"channel": "json"}},
        "reversal-accepted.v1": {"answer": {"response_code": "25", "at": 1, "reason": "r"}},
    }
    names = "partition, at_ms, terminal_id, stan, claim_id, epoch, is_void, registry_position"
    for index, (tag, detail) in enumerate(told.items()):
        await connection.execute(
            "INSERT INTO audit.events (journal_offset, event_index, tag, rrn, idempotency_key,"
            f" inbound_id, watermark, inbound_offset, traceparent, detail, {names})"
            f" SELECT 999999, $1, $2, $3, 'json|c|m|other', '', 0, 0, '', $4::json, {names}"
            " FROM audit.events WHERE rrn = $5 AND tag = 'payment-requested.v1'",
            index,
            tag,
            "" if index else row["rrn"],
            json.dumps(detail),
            row["rrn"],
        )
    case = await load_case_file(connection, Subject(rrn=row["rrn"]))
    asked, refused = case.steps[-2:]
    assert asked.title == "partner asks to reverse it (json)"
    assert (refused.title, refused.told_terminal) == ("reversal refused", "25 r")


async def test_the_events_of_a_payment_are_found_without_reading_all_of_them(connection):
    row = await one_payment(connection, "state = 'reversed' AND returned_by = 'taken-back'")
    await connection.execute("SET LOCAL enable_seqscan = off")
    plan = await connection.fetch(f"EXPLAIN {EVENTS_OF_PAYMENT}", row["rrn"], ["a|m|t|1|2|payment"])
    lines = [line for (line,) in plan]
    scans = [place for place, line in enumerate(lines) if "Scan" in line and "Heap" not in line]
    assert len(scans) > 1
    assert all("Index Cond" in lines[place + 1] for place in scans)  # else all of it is read


async def test_a_tombstone_and_the_payment_that_it_refused_share_one_case_file(connection):
    row = await one_payment(connection, "reason = 'late-after-reversal'")
    case = await load_case_file(connection, Subject(rrn=row["rrn"]))
    assert {step.tag for step in case.steps if not step.is_void} == {
        "reversal-requested.v1",
        "tombstone-set.v1",
        "reversal-accepted.v1",
        "payment-requested.v1",
        "payment-declined.v1",
    }
    assert case.verdict == "NOT DEBITED: declined (94 late-after-reversal)."


async def test_a_request_that_never_became_a_payment_has_a_case_file(connection):
    row = await connection.fetchrow(
        "SELECT stan, terminal_id FROM audit.events WHERE tag = 'request-refused.v1' LIMIT 1"
    )
    case = await load_refusals(connection, row["stan"], row["terminal_id"])
    assert case is not None
    assert case.payment is None
    assert case.verdict.startswith("NOT DEBITED: this request never became a payment")
    assert case.steps[0].told_terminal == "A0 mac-invalid"


async def test_a_void_record_is_marked_and_no_secret_is_shown(connection):
    row = await connection.fetchrow(
        "SELECT e.rrn FROM audit.events e JOIN audit.payments p USING (rrn) WHERE e.is_void LIMIT 1"
    )
    case = await load_case_file(connection, Subject(rrn=row["rrn"]))
    assert any(step.is_void for step in case.steps)
    shown = "".join(bytes(step.detail).decode() for step in case.steps)
    assert SEALED_PAN.decode() not in shown
    assert "sealed" not in shown


@pytest.mark.parametrize(
    ("condition", "begins"),
    [
        ("state = 'approved' AND kind = 'sale' AND case_count = 0", "DEBITED"),
        ("state = 'declined'", "NOT DEBITED: declined"),
        ("state = 'reversing' AND returned_by = 'outcome-unknown'", "NOT KNOWN YET whether"),
        ("state = 'reversing' AND returned_by = 'taken-back'", "BEING RETURNED: "),
        ("state = 'reversed' AND returned_by = 'outcome-unknown'", "RETURNED: whatever"),
        ("state = 'reversed' AND returned_by = 'operator'", "DEBITED AND RETURNED: "),
        ("state = 'routed' AND kind = 'sale'", "NOT KNOWN YET: "),
        ("state = 'repeating'", "BEING GIVEN BACK: "),
        ("kind = 'refund' AND state = 'approved'", "GIVEN BACK: "),
        ("state = 'case'", "NOT KNOWN: a person must find out about"),
    ],
)
async def test_every_state_answers_whether_it_was_debited(connection, condition, begins):
    row = await one_payment(connection, condition)
    case = await load_case_file(connection, Subject(rrn=row["rrn"]))
    assert case.verdict.startswith(begins)


async def test_an_original_knows_what_changed_it(connection):
    row = await one_payment(connection, "kind = 'refund' AND state = 'approved'")
    case = await load_case_file(connection, Subject(rrn=row["original_rrn"]))
    assert [one.rrn for one in case.changed_by] == [row["rrn"]]
    assert case.money_state == "returned"
    assert f"given back by refund {row['rrn']}" in case.verdict


async def test_an_adjustment_is_found_with_its_sale_and_what_was_refunded_of_it(connection):
    refund = await one_payment(connection, "kind = 'refund' AND state = 'approved'")
    sale_rrn, rrn = refund["original_rrn"], "990000000001"
    columns = ", ".join(name for name in refund.keys() if name not in {"rrn", "kind"})  # noqa: SIM118
    await connection.execute(
        f"INSERT INTO audit.payments (rrn, kind, {columns}) "
        f"SELECT '{rrn}', 'adjustment-advice', {columns} FROM audit.payments WHERE rrn = $1",
        refund["rrn"],
    )
    standing = await load_standing(connection, rrn)
    assert standing is not None
    assert standing.sale is not None
    assert standing.sale.rrn == sale_rrn
    assert standing.changed_by == ()
    assert {one.rrn for one in standing.family[sale_rrn]} == {rrn, refund["rrn"]}
    assert f"given back by refund {refund['rrn']}" in standing.judge().line


async def test_a_payment_is_found_with_its_cases(connection):
    row = await one_payment(
        connection,
        "rrn IN (SELECT rrn FROM audit.cases WHERE kind = 'reversal-not-found') AND case_count = 1",
    )
    standing = await load_standing(connection, row["rrn"])
    assert standing is not None
    assert [case.kind for case in standing.cases] == ["reversal-not-found"]
    assert await load_standing(connection, "991234567890") is None


async def test_an_unknown_original_has_a_case_file_under_its_reversals_key(connection):
    row = await connection.fetchrow(
        "SELECT t.idempotency_key FROM audit.events t "
        "LEFT JOIN audit.payments p USING (idempotency_key) "
        "WHERE t.tag = 'tombstone-set.v1' AND p.rrn IS NULL LIMIT 1"
    )
    [found] = await find_by_reference(
        connection, row["idempotency_key"].replace("|payment", "|reversal")
    )
    case = await load_case_file(connection, found)
    assert case.payment is None
    assert {step.tag for step in case.steps} >= {"tombstone-set.v1", "reversal-accepted.v1"}


@pytest.mark.parametrize(
    ("key", "family"),
    [
        ("", []),
        ("json|client|m|order-1", ["json|client|m|order-1"]),
        ("a|m|t|000001|000002|reconciliation", ["a|m|t|000001|000002|reconciliation"]),
        ("a|m|t|1|2|payment", ["a|m|t|1|2|payment", "a|m|t|1|2|reversal"]),
        ("a|m|t|1|2|reversal", ["a|m|t|1|2|payment", "a|m|t|1|2|reversal"]),
    ],
)
def test_a_key_brings_the_keys_of_its_reversals(key, family):
    assert _family_of(key) == family
