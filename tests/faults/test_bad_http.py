"""Everything wrong that can come over HTTP; the partner beside it never notices."""

import contextlib
import json
import socket
import time

import pytest

from tests.faults.stand import API_KEY, CALM_SWITCH_TIMES, MERCHANT, Stand, until

pytestmark = pytest.mark.process

ANSWER_WITHIN_S = 30.0
HEADERS = (
    f"POST /v1/payments HTTP/1.1\r\nHost: switch\r\nAuthorization: Bearer {API_KEY}\r\n"
    "Idempotency-Key: bad\r\n"
)
RSS_GROWTH_BYTES_MAX = 40 * 1_048_576


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    settings = CALM_SWITCH_TIMES | {"SWITCH__HTTP__RECEIVE_DEADLINE_MS": "3000"}
    made = Stand(tmp_path_factory.mktemp("stand"), settings)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def bystander(stand):
    """A payment before and after each attack, and no debit for the attack itself."""
    key = f"good-{time.monotonic_ns()}"
    assert stand.pay_json(key)[1]["status"] == "approved"
    before = len(stand.debits())
    yield
    assert stand.pay_json(key + "-after")[1]["status"] == "approved"
    assert len(stand.debits()) == before + 1


def exchange(stand, content):
    """Send raw bytes and return all that is answered until the connection ends."""
    with socket.create_connection(stand.address("http"), ANSWER_WITHIN_S) as client:
        client.settimeout(ANSWER_WITHIN_S)
        with contextlib.suppress(ConnectionError):
            client.sendall(content)
        return read_to_end(client)


def read_to_end(client):
    heard = b""
    with contextlib.suppress(ConnectionError):
        while part := client.recv(65_536):
            heard += part
    return heard


def order(**changes):
    body = {
        "merchant_id": MERCHANT,
        "amount_minor": 100,
        "currency": "156",
        "card": {"pan": "6200000000000005", "expiry": "3012"},
    } | changes
    return json.dumps({name: value for name, value in body.items() if value is not None})


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "[" * 10_000,
        '{"a":' * 5_000,
        "\ud800".encode("utf-8", "surrogatepass"),
        b"\xff\xfe\x00",
        order(amount_minor=-1),
        order(amount_minor=10**30),
        order(amount_minor=1.5),
        order(amount_minor="100"),
        order(currency="XYZ"),
        order(merchant_id=None),
        order(card=None),
        order(card={"pan": "62", "expiry": "3012"}),
        order(card={"pan": "6200000000000005", "expiry": "9999"}),
        order(surprise=1),
    ],
)
def test_a_body_that_is_no_order_is_explained_and_shows_no_card(stand, body):
    headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": "bad"}
    status, problem = stand.ask_http("POST", "/v1/payments", body, headers)
    assert status in {400, 422}, problem
    assert problem["detail"]
    assert "6200000000000005" not in json.dumps(problem)


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("name", ["void", "refunds", "capture", "reverse"])
@pytest.mark.parametrize(
    ("rrn", "body", "statuses"),
    [
        ("000000000001", "{", {400}),
        ("000000000001", "[]", {400}),
        ("000000000001", '{"amount_minor":1}', {400}),
        ("000000000001", '{"amount_minor":-1,"currency":"CNY"}', {400}),
        ("000000000001", '{"amount_minor":1,"currency":"XYZ"}', {400}),
        ("000000000001", order(), {400}),
        ("1", f'{{"merchant_id":"{MERCHANT}","amount_minor":1,"currency":"CNY"}}', {404}),
        ("..%2F..%2Fetc", "{}", {404}),
        (
            "999999999999",
            f'{{"merchant_id":"{MERCHANT}","amount_minor":1,"currency":"CNY"}}',
            {404},
        ),
    ],
)
def test_a_change_of_nothing_is_explained_and_changes_nothing(stand, name, rrn, body, statuses):
    headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": f"bad-{name}-{rrn}"}
    status, problem = stand.ask_http("POST", f"/v1/payments/{rrn}/{name}", body, headers)
    assert status in statuses, problem
    assert "6200000000000005" not in json.dumps(problem)


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("key", [None, "", "with space", "x" * 129, "caf\xe9"])
def test_a_missing_or_unfit_key_is_explained(stand, key):
    headers = {"Authorization": f"Bearer {API_KEY}"}
    headers |= {} if key is None else {"Idempotency-Key": key}
    assert stand.ask_http("POST", "/v1/payments", order(), headers)[0] == 400


@pytest.mark.usefixtures("bystander")
def test_no_api_key_is_401(stand):
    assert stand.ask_http("POST", "/v1/payments", order(), {"Idempotency-Key": "k"})[0] == 401


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_body_is_refused_before_it_is_read(stand, chunked):
    rss = stand.rss_bytes()
    if chunked:
        chunk = b"10000\r\n" + bytes(65_536) + b"\r\n"
        content = (HEADERS + "Transfer-Encoding: chunked\r\n\r\n").encode() + chunk * 1_000
    else:
        content = (HEADERS + f"Content-Length: {10**9}\r\n\r\n").encode() + bytes(64 * 1_048_576)
    heard = exchange(stand, content)
    assert heard[:12] in {b"HTTP/1.1 413", b""}  # nothing: reset while the rest was on its way
    assert stand.rss_bytes() - rss < RSS_GROWTH_BYTES_MAX


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize(
    "content",
    [
        HEADERS[:40],
        HEADERS + "Content-Length: 300\r\n\r\n",
        HEADERS + "Content-Length: 300\r\n\r\n" + order()[:50],
        "",
    ],
)
def test_a_request_that_does_not_come_to_its_end_is_cut_off(stand, content):
    started = time.monotonic()
    heard = exchange(stand, content.encode())
    assert heard.startswith(b"HTTP/1.1 408") or heard == b""
    assert time.monotonic() - started < ANSWER_WITHIN_S


@pytest.mark.usefixtures("bystander")
def test_a_head_without_end_is_refused(stand):
    heard = exchange(stand, (HEADERS + "X-Long: " + "x" * 1_000_000).encode())
    assert heard[:12] in {b"HTTP/1.1 431", b""}


@pytest.mark.usefixtures("bystander")
def test_what_is_no_http_is_refused(stand):
    assert exchange(stand, b"\x00\x5a\x60\x00\x06\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_a_client_that_leaves_before_its_answer_is_debited_at_most_once(stand):
    before = len(stand.debits())
    content = HEADERS.replace("bad", "left") + f"Content-Length: {len(order())}\r\n\r\n" + order()
    with socket.create_connection(stand.address("http")) as client:
        client.sendall(content.encode())
    until(lambda: len(stand.debits()) > before, "the debit of a client that left")
    assert stand.pay_json("left", 100)[1]["status"] == "approved"
    assert len(stand.debits()) == before + 1


def test_nothing_of_all_that_is_left_behind(stand):
    stand.check(pans=())
    assert not [line for line in stand.log_lines() if line["level"] == "error"]
