import pytest

from switch.adapters.http_api import FoundPayment
from switch.adapters.http_exchange import make_problem
from switch.handlers.json_answers import PaymentResource

PARTNER = {"Authorization": "Bearer sk_partner"}
OPERATOR = {"Authorization": "Bearer op_operator"}
RRN = "000000000042"


def payment(merchant_id="898110154110001"):
    resource = PaymentResource(
        status="approved", money_state="debited", response_code="00", rrn=RRN
    )
    return FoundPayment(merchant_id=merchant_id, resource=resource)


@pytest.mark.parametrize("path", [f"/v1/payments/{RRN}", f"/v1/payments?rrn={RRN}"])
async def test_a_partner_sees_its_own_payments_only(http_stage, path):
    http_stage.payments.by_rrn[RRN] = payment()
    assert (await http_stage.ask("GET", path, headers=PARTNER)).json()["status"] == "approved"
    http_stage.payments.by_rrn[RRN] = payment("somebody else's")
    assert (await http_stage.ask("GET", path, headers=PARTNER)).status == 404
    assert (await http_stage.ask("GET", path, headers=OPERATOR)).status == 200
    assert (await http_stage.ask("GET", path)).status == 401


async def test_a_partner_finds_a_payment_by_its_own_key(http_stage):
    http_stage.payments.by_key["partner", "898110154110001", "k-1"] = payment()
    path = "/v1/payments?merchant_id=898110154110001&idempotency_key=k-1"
    assert (await http_stage.ask("GET", path, headers=PARTNER)).json()["rrn"] == RRN
    other = await http_stage.ask("GET", path.replace("k-1", "k-2"), headers=PARTNER)
    assert (other.status, other.headers["retry-after"]) == (404, "1")
    assert (await http_stage.ask("GET", "/v1/payments", headers=PARTNER)).status == 400


async def test_a_client_of_one_merchant_finds_a_payment_by_its_key_alone(http_stage):
    http_stage.payments.by_key["partner", "898110154110001", "k-1"] = payment()
    path = "/v1/payments?idempotency_key=k-1"
    assert (await http_stage.ask("GET", path, headers=PARTNER)).json()["rrn"] == RRN


async def test_a_database_that_is_down_is_told_as_such(http_stage):
    http_stage.payments.fault = "the database does not answer"
    answer = await http_stage.ask("GET", f"/v1/payments/{RRN}", headers=PARTNER)
    assert (answer.status, answer.json()["detail"]) == (503, "the database does not answer")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/registry/load"),
        ("GET", "/v1/registry/merchants"),
        ("GET", "/v1/registry/clients/partner"),
        ("GET", "/v1/status"),
    ],
)
@pytest.mark.parametrize("headers", [{}, PARTNER, {"Authorization": "Bearer op_wrong"}])
async def test_an_operators_routes_need_the_operators_token(http_stage, method, path, headers):
    assert (await http_stage.ask(method, path, headers=headers)).status == 401
    assert http_stage.registry.files == []


async def test_the_registry_can_be_listed_and_shown(http_stage):
    listed = await http_stage.ask("GET", "/v1/registry/clients", headers=OPERATOR)
    assert [client["client_id"] for client in listed.json()["clients"]] == ["partner"]
    shown = await http_stage.ask("GET", "/v1/registry/clients/partner", headers=OPERATOR)
    assert shown.json()["name"] == "Partner"
    for path in ("/v1/registry/clients/nobody", "/v1/registry/nothing"):
        assert (await http_stage.ask("GET", path, headers=OPERATOR)).status == 404


async def test_a_registry_file_is_loaded_or_refused_with_every_error(http_stage):
    loaded = await http_stage.ask("POST", "/v1/registry/load", b"[[x]]", OPERATOR)
    assert loaded.json() == {"change_count": 1, "position": 2}
    assert http_stage.registry.files == [b"[[x]]"]
    http_stage.registry.problem = make_problem(422, "registry-refused", "", ("one", "two"))
    refused = await http_stage.ask("POST", "/v1/registry/load", b"[[x]]", OPERATOR)
    assert (refused.status, refused.json()["errors"]) == (422, ["one", "two"])
    large = await http_stage.ask("POST", "/v1/registry/load", b" " * 4_001, OPERATOR)
    assert large.status == 413


async def test_readiness_tells_why_not(http_stage):
    assert (await http_stage.ask("GET", "/readyz")).json()["ready"] is True
    http_stage.telemetry.readiness.add("log", lambda: "disk full")
    answer = await http_stage.ask("GET", "/readyz")
    assert (answer.status, answer.json()["reasons"]) == (503, {"log": "disk full"})
    assert (await http_stage.ask("GET", "/healthz")).status == 200


async def test_the_page_can_be_shown_on_this_machine(http_stage):
    answer = await http_stage.ask("GET", "/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert b"&lt;down&gt;" in answer.body


async def test_metrics_count_requests_by_route(http_stage):
    await http_stage.ask("GET", "/version")
    await http_stage.ask("GET", "/nowhere")
    text = (await http_stage.ask("GET", "/metrics")).body.decode()
    assert 'switch_http_requests_total{route="/version",status="200"} 1.0' in text
    assert 'switch_http_requests_total{route="other",status="404"} 1.0' in text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/x", 404), ("PUT", "/", 405)])
async def test_what_is_not_there_is_a_problem_too(http_stage, method, path, status):
    answer = await http_stage.ask(method, path)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("path", ["/v1/payments?rrn=%00", "/v1/payments/0%00", "/v1/cases/%00"])
async def test_a_nul_is_no_fault_of_the_database(http_stage, path):
    http_stage.payments.fault = http_stage.cases.fault = "the database does not answer"
    headers = {"Authorization": f"Bearer {http_stage.operator_token}"}
    answer = await http_stage.ask("GET", path, headers=headers)
    assert (answer.status, answer.json()["title"]) == (400, "Invalid request")


async def test_a_fault_is_a_500_without_its_text(http_stage, monkeypatch: pytest.MonkeyPatch):
    def fail(_kind):
        raise RuntimeError("secret")

    monkeypatch.setattr(http_stage.registry, "list_entities", fail)
    answer = await http_stage.ask("GET", "/v1/registry/merchants", headers=OPERATOR)
    assert answer.status == 500
    assert b"secret" not in answer.body
