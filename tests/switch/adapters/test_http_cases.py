import json

import pytest

from switch.adapters.http_cases import CaseResource, ClaimedPayment

LOCAL = {"Authorization": "Bearer op_operator"}
ANNA = {"Authorization": "Bearer key-anna"}
CASE_ID, RRN = "not-served-030000000042", "030000000042"
PATH = f"/v1/cases/{CASE_ID}"
CASE = CaseResource(
    case_id=CASE_ID,
    partition=3,
    kind="not-served",
    title_en="Debited but not served",
    title_zh="扣款未提供服务",
    state="open",
    team="merchant-care",
    opened_at="2026-11-22T07:10:00.000Z",
    updated_at="2026-11-22T07:10:00.000Z",
    since="2026-11-22T07:10:00.000Z",
)
BODIES = {
    "/notes": {"text": "called the shop"},
    "/assign": {"owner": "ben"},
    "/resolve": {"resolution": "stands", "reason": "the slip says so"},
}


@pytest.fixture
def stage(http_stage):
    http_stage.cases.cases[CASE_ID] = CASE
    http_stage.cases.payments[RRN] = ClaimedPayment(
        partition=3,
        acquirer="acq",
        merchant_id="898110154110001",
        terminal_id="00000001",
        amount_minor=1234,
        currency="156",
    )
    return http_stage


async def post(stage, path, body, headers=ANNA, key="k-1"):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await stage.ask("POST", path, content, headers | {"Idempotency-Key": key})


async def test_cases_are_listed_as_asked_for(stage):
    answer = await stage.ask("GET", "/v1/cases?state=any&kind=k&owner=o&limit=7", headers=ANNA)
    assert answer.json()["cases"][0]["case_id"] == CASE_ID
    await stage.ask("GET", "/v1/cases?by=incident", headers=LOCAL)
    (first, flat), (second, grouped) = stage.cases.queries
    assert (first.state, first.kind, first.owner, first.limit) == ("any", "k", "o", 7)
    assert (second.state, second.limit) == ("unended", 100)
    assert (flat, grouped) == (False, True)


@pytest.mark.parametrize(
    "query", ["state=odd", "limit=0", "limit=1001", "limit=x", "limit=" + "9" * 5_000]
)
async def test_a_list_that_is_not_understood_is_refused(stage, query):
    assert (await stage.ask("GET", f"/v1/cases?{query}", headers=ANNA)).status == 400


async def test_a_case_is_shown_or_it_is_not_there_yet(stage):
    assert (await stage.ask("GET", PATH, headers=ANNA)).json()["case"]["kind"] == "not-served"
    other = await stage.ask("GET", "/v1/cases/nothing", headers=ANNA)
    assert (other.status, other.headers["retry-after"]) == (404, "1")


async def test_a_database_that_is_down_is_told_as_such(stage):
    stage.cases.fault = "the database does not answer"
    assert (await stage.ask("GET", "/v1/cases", headers=ANNA)).status == 503


async def test_a_claim_names_the_payment_and_goes_to_its_partition(stage):
    answer = await post(stage, "/v1/cases", {"rrn": RRN, "note": "no goods"})
    assert answer.status == 201
    [order] = stage.case_desk.orders
    assert (order.partition, order.command, order.by) == (3, "open", "anna")
    assert (order.rrn, order.text, order.command_id) == (RRN, "no goods", "k-1")
    assert (order.amount_minor, order.currency, order.merchant_id) == (
        1234,
        "156",
        "898110154110001",
    )
    unknown = await post(stage, "/v1/cases", {"rrn": "030000000043", "note": "no goods"})
    assert (unknown.status, unknown.json()["type"]) == (
        404,
        "urn:payment-switch:problem:payment-not-found",
    )


@pytest.mark.parametrize(("name", "body"), BODIES.items())
async def test_a_command_goes_to_the_partition_of_its_case(stage, name, body):
    answer = await post(stage, PATH + name, body, LOCAL)
    assert answer.status == 201
    [order] = stage.case_desk.orders
    assert (order.partition, order.case_id, order.by) == (3, CASE_ID, "local")
    assert order.command == {"/notes": "note", "/assign": "assign", "/resolve": "resolve"}[name]


async def test_what_a_resolution_says_is_handed_on(stage):
    await post(stage, f"{PATH}/resolve", BODIES["/resolve"])
    [order] = stage.case_desk.orders
    assert (order.resolution, order.text) == ("stands", "the slip says so")


@pytest.mark.parametrize(("name", "body"), BODIES.items())
async def test_a_case_that_is_not_there_is_not_commanded(stage, name, body):
    assert (await post(stage, f"/v1/cases/nothing{name}", body)).status == 404
    assert stage.case_desk.orders == []


@pytest.mark.parametrize(
    ("name", "body", "error"),
    [
        ("/notes", b"{", "Input data was truncated"),
        ("/notes", {}, "Object missing required field `text`"),
        ("/notes", {"text": ""}, "text: Expected `str` of length >= 1"),
        ("/notes", {"text": "x" * 1_001}, "text: Expected `str` of length <= 1000"),
        ("/notes", {"text": "a\x07b"}, "text: Expected `str` matching"),
        ("/notes", {"text": "card 6200000000000005"}, "text: it holds what looks like a card"),
        (
            "/notes",
            {"text": "card ６２０００００００００００００５"},
            "text: it holds what looks like a card",
        ),
        ("/assign", {"owner": "6200000000000005"}, "owner: it holds what looks like a card"),
        ("/assign", {"owner": "two words"}, "owner: Expected `str` matching"),
        ("/assign", {"owner": "anna\n"}, "owner: Expected `str` matching"),
        ("/assign", {"owner": "anna", "text": "a\x1b[2Jb"}, "text: Expected `str` matching"),
        ("/notes", {"text": " \t\u3000"}, "text: it says nothing"),
        ("/resolve", {"resolution": "stands", "reason": " "}, "reason: it says nothing"),
        ("/resolve", {"resolution": "stands"}, "Object missing required field `reason`"),
        ("/resolve", {"resolution": "burn", "reason": "r"}, "resolution: Invalid enum value"),
        ("/resolve", {"resolution": "stands", "reason": "6200 0000 0000 0005"}, "reason: it holds"),
    ],
)
async def test_a_body_that_does_not_fit_says_where(stage, name, body, error):
    answer = await post(stage, PATH + name, body)
    assert answer.status == 400
    assert answer.json()["errors"][0].startswith(error)
    assert b"6200000000000005" not in answer.body
    assert stage.case_desk.orders == []


async def test_a_body_that_is_too_large_is_refused(stage):
    assert (await post(stage, f"{PATH}/notes", b" " * 2_001)).status == 413


async def test_a_command_needs_a_key_of_its_own(stage):
    answer = await post(stage, f"{PATH}/notes", BODIES["/notes"], key="")
    assert (answer.status, answer.json()["title"]) == (400, "Idempotency key needed")


@pytest.mark.parametrize(
    ("token", "reading", "writing"),
    [
        ("op_operator", 200, 201),
        ("key-anna", 200, 201),
        ("key-viewer", 200, 403),
        ("key-local", 401, 401),
        ("sk_partner", 401, 401),
        ("", 401, 401),
    ],
)
async def test_who_may_read_and_who_may_change(stage, token, reading, writing):
    headers = {"Authorization": f"Bearer {token}"}
    assert (await stage.ask("GET", "/v1/cases", headers=headers)).status == reading
    assert (await stage.ask("GET", PATH, headers=headers)).status == reading
    for name, body in BODIES.items():
        assert (await post(stage, PATH + name, body, headers)).status == writing
    claim = {"rrn": RRN, "note": "no goods"}
    assert (await post(stage, "/v1/cases", claim, headers)).status == writing


@pytest.mark.parametrize(
    ("status", "content_type", "retry_after"),
    [
        (201, "application/json", None),
        (202, "application/json", None),
        (409, "application/problem+json", None),
        (503, "application/problem+json", "1"),
        (504, "application/problem+json", "1"),
    ],
)
async def test_the_answer_of_the_partition_goes_out_as_it_is(
    stage, status, content_type, retry_after
):
    stage.case_desk.answer = (status, b'{"x":1}')
    answer = await post(stage, f"{PATH}/notes", BODIES["/notes"])
    assert (answer.status, answer.body) == (status, b'{"x":1}')
    assert answer.headers["content-type"] == content_type
    assert answer.headers.get("retry-after") == retry_after


async def test_an_operator_of_the_registry_may_look_at_payments_and_the_machine(stage):
    assert (await stage.ask("GET", "/v1/status", headers=ANNA)).status == 200
    assert (await stage.ask("GET", "/v1/payments?rrn=1", headers=ANNA)).status == 404
    assert (await stage.ask("POST", "/v1/registry/load", b"x", ANNA)).status == 403
