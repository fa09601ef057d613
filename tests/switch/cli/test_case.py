import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from switch.apps.addresses import write_addresses
from switch.cli.main import main

RRN = "030000000042"
CASE_ID = f"not-served-{RRN}"
CASE = {
    "case_id": CASE_ID,
    "partition": 3,
    "kind": "not-served",
    "title_en": "Debited but not served",
    "title_zh": "扣款未提供服务",
    "state": "open",
    "team": "merchant-care",
    "opened_at": "2026-11-22T07:10:00.000Z",
    "updated_at": "2026-11-22T07:10:00.000Z",
    "since": "2026-11-22T07:09:00.000Z",
    "rrn": RRN,
    "merchant_id": "898110154110001",
    "amount_minor": 1234,
    "currency": "156",
}
LINE = {
    "line": "issuer-1@20261122T070900Z",
    "is_incident": True,
    "kind": "outcome-open",
    "title_en": "The issuer does not answer",
    "title_zh": "发卡方久未应答",
    "team": "operations",
    "count": 137,
    "amount_minor": 500_000,
    "currency": "156",
    "first_at": "2026-11-22T07:09:00.000Z",
    "last_at": "2026-11-22T08:00:00.000Z",
}
STEP = {
    "at": "2026-11-22T07:10:00.000Z",
    "place": "3/42.0",
    "title": "note by anna",
    "rule": "see [slip.pdf] [/b]",
}
DETAIL = {
    "case": CASE,
    "text_en": "Somebody says so.",
    "text_zh": "有人投诉",
    "next_en": "Compare the slip.",
    "next_zh": "核对小票",
    "evidence_en": "The slip.",
    "evidence_zh": "小票",
    "verdict": "DEBITED: 12.34 CNY at 2026-11-22 07:09:00Z.",
    "history": [STEP],
    "steps": [STEP | {"told_issuer": "debit", "issuer_said": "00", "told_terminal": "00"}],
}
TAKEN = {"case_id": CASE_ID, "kind": "not-served", "state": "resolved", "resolved_by": "anna"}


class CasesHandler(BaseHTTPRequestHandler):
    """Answers what a test put in, and keeps what was asked."""

    def do_GET(self):
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.server.seen.append(("GET", parts.path, query, self.headers["Authorization"], ""))
        if parts.path == "/v1/cases":
            listed = self.server.lists.pop(0) if self.server.lists else {"cases": [], "lines": []}
            self._answer(200, {"is_cut": False, "cases": [], "lines": [], **listed})
        elif self.server.missing_count:
            self.server.missing_count -= 1
            detail = "No such case; one of a moment ago appears within a second or two."
            self._answer(404, {"detail": detail})
        else:
            self._answer(200, DETAIL)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Idempotency-Key"]
        self.server.seen.append(("POST", self.path, body, self.headers["Authorization"], key))
        status, content = self.server.answers.pop(0) if self.server.answers else (201, TAKEN)
        self._answer(status, content)

    def log_message(self, *arguments):
        """Say nothing."""

    def _answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), CasesHandler) as opened:
        opened.seen, opened.answers, opened.lists, opened.missing_count = [], [], [], 0
        opened.data_dir = tmp_path
        write_addresses(tmp_path, {"http": f"127.0.0.1:{opened.server_port}", "pid": 1})
        (tmp_path / "keys").mkdir()
        (tmp_path / "keys" / "operator.token").write_text("op_machine\n")
        thread = threading.Thread(target=opened.serve_forever, args=(0.01,))
        thread.start()
        yield opened
        opened.shutdown()
        thread.join()


def invoke(server, *arguments, env=None):
    command = ["case", *arguments, "--data", str(server.data_dir)]
    return CliRunner(env={"SWITCH_OPERATOR_KEY": None} | (env or {})).invoke(main, command)


# -- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["table", "json"])
def test_an_incident_that_never_was_is_not_one_that_waits_for_nobody(server, style):
    unknown = invoke(server, "list", "--incident", "nothere", "--format", style)
    assert unknown.exit_code == 1
    assert "there is no incident 'nothere'" in unknown.output
    server.lists = [{"cases": []}, {"cases": [CASE]}]
    settled = invoke(server, "list", "--incident", LINE["line"])
    assert (settled.exit_code, settled.output) == (0, "no case waits for anybody\n")
    wide = {"incident": LINE["line"], "state": "any", "limit": "1"}
    assert server.seen[-1][2] == wide


def test_an_outage_is_one_line(server):
    server.lists = [{"lines": [LINE]}]
    result = invoke(server, "list")
    assert result.exit_code == 0, result.output
    for told in ("issuer-1@20261122T070900Z", "137", "5000.00 CNY", "several", "operations"):
        assert told in result.output
    [(_, _, query, token, _)] = server.seen
    assert query == {"state": "unended", "limit": "100", "by": "incident"}
    assert token == "Bearer op_machine"


def test_the_cases_of_an_incident_are_listed_one_by_one(server):
    server.lists = [{"cases": [CASE], "is_cut": True}]
    result = invoke(server, "list", "--incident", LINE["line"], "--merchant", "m", "--state", "any")
    assert CASE_ID in result.output
    assert "12.34 CNY" in result.output
    assert "there are more than 100" in result.output
    [(_, _, query, _, _)] = server.seen
    assert query == {"state": "any", "limit": "100", "incident": LINE["line"], "merchant_id": "m"}


def test_nothing_to_do_is_said_in_words(server):
    assert invoke(server, "list").output == "no case waits for anybody\n"
    assert invoke(server, "list", "--state", "any").output == "no case is there\n"


def test_a_case_says_what_happened_and_what_to_do(server):
    server.missing_count = 2  # it was opened a moment ago
    result = invoke(server, "show", CASE_ID)
    assert result.exit_code == 0, result.output
    for told in (
        "Debited but not served / 扣款未提供服务",
        "with      merchant-care",
        "money     DEBITED: 12.34 CNY",
        "Compare the slip.\n核对小票",
        "note by anna",
        "see [slip.pdf] [/b]",
        "-> debit <- 00",
    ):
        assert told in result.output


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"state": "proposed", "resolution": "returned", "proposed_by": "anna"},
            "returned proposed by anna, waiting for a second person",
        ),
        (
            {
                "state": "resolved",
                "resolution": "stands",
                "resolved_by": "anna",
                "confirmed_by": "ben",
            },
            "resolved: stands (anna and ben)",
        ),
    ],
)
def test_a_case_says_who_has_decided_what(server, monkeypatch, changes, told):
    monkeypatch.setitem(DETAIL, "case", CASE | changes)
    assert told in invoke(server, "show", CASE_ID).output


@pytest.mark.parametrize("arguments", [("list",), ("show", CASE_ID)])
def test_programs_get_json(server, arguments):
    found = json.loads(invoke(server, *arguments, "--format", "json").output)
    assert "cases" in found or found["case"]["case_id"] == CASE_ID


def test_an_rrn_stands_for_its_only_case(server):
    server.lists = [{"cases": []}, {"cases": [CASE]}]
    assert invoke(server, "show", RRN).exit_code == 0
    assert server.seen[-1][1] == f"/v1/cases/{CASE_ID}"
    server.lists = [{"cases": [CASE, CASE | {"case_id": "other"}]}]
    several = invoke(server, "show", RRN)
    assert several.exit_code == 2
    assert "other" in several.output
    none = invoke(server, "show", RRN)
    assert (none.exit_code, "no case about the payment" in none.output) == (1, True)


# -- deciding --------------------------------------------------------------------------------------


def test_commands_are_sent_as_the_person_whose_key_is_set(server):
    server.answers = [(201, TAKEN | {"state": "open"})]
    env = {"SWITCH_OPERATOR_KEY": "anna-key"}
    result = invoke(server, "open", "--rrn", RRN, "--note", "no goods", env=env)
    assert result.output == f"{CASE_ID} is open\n"
    [(_, path, body, token, key)] = server.seen
    assert (path, body) == ("/v1/cases", {"rrn": RRN, "note": "no goods"})
    assert token == "Bearer anna-key"
    assert len(key) > 10


def test_notes_and_owners_are_sent(server):
    server.answers = [(201, TAKEN), (201, TAKEN | {"owner": "ben"})]
    assert "noted on" in invoke(server, "note", CASE_ID, "called the shop").output
    given = invoke(server, "assign", CASE_ID, "ben", "--note", "yours", "--key", "k")
    assert f"{CASE_ID} is with ben" in given.output
    assert [(path, body) for _, path, body, _, _ in server.seen] == [
        (f"/v1/cases/{CASE_ID}/notes", {"text": "called the shop"}),
        (f"/v1/cases/{CASE_ID}/assign", {"owner": "ben", "text": "yours"}),
    ]
    assert server.seen[1][-1] == "k"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            (201, TAKEN | {"effects": ["return-ordered.v1"]}),
            "is settled: the issuer is told to give the money back, until it answers",
        ),
        ((201, TAKEN), f"{CASE_ID} is settled\n"),
        (
            (202, TAKEN | {"state": "proposed", "proposed_by": "anna"}),
            "anna proposes it; a second person must settle it with the same command",
        ),
    ],
)
def test_settling_says_what_follows(server, answer, told):
    server.answers = [answer]
    result = invoke(server, "resolve", CASE_ID, "--as", "return-money", "--reason", "r")
    assert result.exit_code == 0
    assert told in result.output


def test_a_refusal_is_told_in_the_words_of_the_partition(server):
    server.answers = [(409, {"title": "Second person needed", "detail": "anna has proposed this"})]
    result = invoke(server, "resolve", CASE_ID, "--as", "stands", "--reason", "r")
    assert (result.exit_code, "anna has proposed this" in result.output) == (1, True)


def test_without_an_answer_it_says_how_to_ask_again(server):
    server.answers = [(504, {"detail": "It may yet be carried out."})]
    result = invoke(server, "note", CASE_ID, "t")
    assert result.exit_code == 6
    key = server.seen[-1][-1]
    assert f"ask again with --key {key}: it is carried out once" in result.output
    server.answers = [(504, {"detail": "It may yet be carried out."})]
    again = invoke(server, "note", CASE_ID, "t", "--key", key)
    assert "ask again" not in again.output
    assert server.seen[-1][-1] == key


@pytest.mark.parametrize("arguments", [(), (CASE_ID, "--incident", "i")])
def test_either_a_case_or_an_incident_is_settled(server, arguments):
    result = invoke(server, "resolve", *arguments, "--as", "stands", "--reason", "r")
    assert (result.exit_code, "name a case, or an incident" in result.output) == (2, True)


def test_an_incident_is_settled_case_by_case_and_says_what_was_refused(server):
    cases = [CASE | {"case_id": f"c-{n}"} for n in range(3)]
    server.lists = [{"cases": cases, "is_cut": True}]
    server.answers = [
        (201, TAKEN),
        (202, TAKEN | {"state": "proposed"}),
        (409, {"detail": "The case is closed."}),
    ]
    order = ("--as", "no-action", "--reason", "the line is back", "--key", "k")
    result = invoke(server, "resolve", "--incident", "i", *order)
    assert result.exit_code == 1
    assert "1 settled, 1 waiting for a second person" in result.output
    assert "refused: c-2: The case is closed." in result.output
    assert "run the command again" in result.output
    assert [key for *_, key in server.seen[1:]] == ["k-c-0", "k-c-1", "k-c-2"]


def test_an_incident_that_is_interrupted_says_how_to_go_on(server):
    server.lists = [{"cases": [CASE]}]
    server.answers = [(503, {"detail": "not now"})]
    result = invoke(server, "resolve", "--incident", "i", "--as", "stands", "--reason", "r")
    assert result.exit_code == 6
    assert "0 done, then: not now; go on with the same command and --key" in result.output
    none = invoke(server, "resolve", "--incident", "i", "--as", "stands", "--reason", "r")
    assert (none.exit_code, "no open case in the incident" in none.output) == (1, True)


def test_an_incident_is_told_to_programs(server):
    server.lists = [{"cases": [CASE]}]
    order = ("--as", "stands", "--reason", "r", "--format", "json")
    told = json.loads(invoke(server, "resolve", "--incident", "i", *order).output)
    assert told == {"settled": [CASE_ID], "waiting": [], "refused": []}


def test_without_an_instance_it_ends_with_3(tmp_path):
    result = CliRunner().invoke(main, ["case", "list", "--data", str(tmp_path)])
    assert result.exit_code == 3


@pytest.mark.parametrize("rrn", ["999", "", "0300000000420", "03000000004a"])
def test_a_claim_about_what_is_no_rrn_is_a_wrong_argument_and_goes_nowhere(server, rrn):
    result = invoke(server, "open", "--rrn", rrn, "--note", "n")
    assert result.exit_code == 2
    assert f"{rrn!r} is no RRN: it has 12 digits" in result.output
    assert server.seen == []


def test_a_claim_about_a_payment_of_a_moment_ago_waits_for_it(server):
    detail = "No such payment; one of a moment ago appears within a second or two."
    server.answers += [(404, {"detail": detail}), (201, TAKEN)]
    result = invoke(server, "open", "--rrn", RRN, "--note", "says so")
    assert result.exit_code == 0, result.output
    assert result.output == f"{CASE_ID} is open\n"


def test_it_is_said_that_the_names_of_owners_are_not_checked():
    words = CliRunner().invoke(main, ["case", "assign", "--help"]).output
    assert "names are not checked" in " ".join(words.split())
