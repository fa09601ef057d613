import importlib.resources
import re
import tomllib

import pytest

from switch.domain.declines import (
    CATALOGUE,
    CatalogueError,
    CodeClass,
    IssuerOutcome,
    actor_words,
    decline_of,
    issuer_code,
    money_words,
    read_catalogue,
)
from switch.domain.payment.requests import APPROVED_CODES
from switch.domain.reasons import Reason
from switch.domain.transactions import Actor, MoneyState, Retry

TEXT = importlib.resources.files("switch.domain").joinpath("declines.toml").read_text("utf-8")
DE39 = re.compile(r"[0-9A-Z]{2}")

# docs/iso8583.md 6 and docs/rules.md 1, 5: what the one who asked must be answered
EXPECTED_CODES = {
    "gateway-busy": "96",
    "log-unavailable": "96",
    "format-error": "30",
    "terminal-unknown": "97",
    "terminal-without-key": "97",
    "mac-invalid": "A0",
    "duplicate-conflict": "94",
    "late-after-reversal": "94",
    "already-reversed": "94",
    "stan-reused": "94",
    "reversal-mismatch": "25",
    "merchant-not-found": "03",
    "terminal-not-bound": "97",
    "terminal-mismatch": "58",
    "terminal-inactive": "58",
    "sign-on-too-often": "65",
    "master-key-missing": "97",
    "key-scheme-refused": "97",
    "sign-on-required": "77",
    "batch-mismatch": "77",
    "batch-full": "77",
    "merchant-closed": "03",
    "merchant-frozen": "03",
    "merchant-not-active": "03",
    "agent-not-active": "03",
    "merchant-config-incomplete": "03",
    "txn-not-supported": "40",
    "txn-not-enabled": "58",
    "entry-mode-not-enabled": "58",
    "mcc-mismatch": "58",
    "currency-not-enabled": "12",
    "amount-not-positive": "13",
    "amount-over-limit": "61",
    "daily-amount-over-limit": "61",
    "daily-count-over-limit": "65",
    "suspected-duplicate": "94",
    "original-not-found": "25",
    "original-unreadable": "96",
    "original-card-mismatch": "14",
    "original-held": "25",
    "original-not-open": "25",
    "original-refund-only": "25",
    "original-of-other-batch": "25",
    "original-too-old": "22",
    "original-amount-mismatch": "64",
    "refund-over-rest": "61",
    "completion-over-limit": "61",
    "request-stale": "96",
    "registry-not-confirmed": "96",
    "issuer-unknown": "15",
    "no-route": "92",
    "issuer-down": "91",
    "pin-unusable": "99",
    "send-window-missed": "96",
    "issuer-declined": "05",
    "upstream-unknown": "98",
    "refund-unknown": "98",
    "inquiry-unanswered": "91",
    "partial-approval-refused": "51",
    "internal-fault": "96",
}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_answered_with_its_code(reason: Reason) -> None:
    assert decline_of(reason).response_code == EXPECTED_CODES[reason.value]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_says_in_both_languages_what_happened_and_what_to_do(reason: Reason) -> None:
    decline = decline_of(reason)
    assert decline.reason is reason
    for chinese in (decline.zh, decline.next_zh):
        assert re.search(r"[\u4e00-\u9fff]", chinese)
    for english in (decline.en, decline.next_en):
        assert english.isascii()
        assert 5 < len(english) <= 90
    assert decline.actor is not Actor.NOBODY


def test_reasons_stand_in_the_file_in_the_order_of_the_checks() -> None:
    assert list(tomllib.loads(TEXT)["reason"]) == [reason.value for reason in Reason]


MONEY_MAY_HAVE_MOVED = {
    Reason.ALREADY_REVERSED,
    Reason.REVERSAL_MISMATCH,
    Reason.UPSTREAM_UNKNOWN,
    Reason.REFUND_UNKNOWN,
    Reason.PARTIAL_APPROVAL_REFUSED,
    Reason.INTERNAL_FAULT,
}


@pytest.mark.parametrize("reason", Reason)
def test_a_refusal_before_anything_was_sent_says_not_debited(reason: Reason) -> None:
    is_safe = decline_of(reason).money_state is MoneyState.NOT_DEBITED
    assert is_safe == (reason not in MONEY_MAY_HAVE_MOVED)


# docs/iso8583.md 6 and docs/rules.md 4; 09 is left unknown because a running debit may yet stand
UNKNOWN_CODES = {"06", "09", "20", "68", "96", "98"}
ALL_CODES = set(
    re.findall(
        "..",
        "00010203040506070910111213141519202122232530313334353637383940414243444551525354"
        "55565758596061626364656667687577787990919293949596979899A0A1A2A3A4A5A6A7",
    )
)


def test_every_code_of_the_domain_is_listed() -> None:
    assert set(CATALOGUE.issuer_codes) == ALL_CODES


@pytest.mark.parametrize("code", sorted(ALL_CODES))
def test_the_outcome_of_an_issuer_code_is_approval_unknown_or_decline(code: str) -> None:
    expected = (
        IssuerOutcome.APPROVED
        if code in APPROVED_CODES
        else IssuerOutcome.UNKNOWN
        if code in UNKNOWN_CODES
        else IssuerOutcome.DECLINED
    )
    known = issuer_code(code)
    assert known.outcome is expected
    assert known.code == code
    assert DE39.fullmatch(code)


@pytest.mark.parametrize(
    ("outcome", "money"),
    [("00", MoneyState.DEBITED), ("51", MoneyState.NOT_DEBITED), ("68", MoneyState.UNKNOWN)],
)
def test_the_outcome_says_where_the_money_is(outcome: str, money: MoneyState) -> None:
    assert issuer_code(outcome).money_state is money


@pytest.mark.parametrize("code", ["ZZ", "B1", "", "YM"])
def test_a_code_of_the_issuers_own_is_a_decline_that_keeps_its_code(code: str) -> None:
    known = issuer_code(code)
    assert (known.code, known.outcome, known.code_class) == (
        code,
        IssuerOutcome.DECLINED,
        CodeClass.FAILED,
    )


def test_every_money_state_and_actor_has_words() -> None:
    assert all(money_words(state).zh and money_words(state).en for state in MoneyState)
    assert all(actor_words(actor).zh and actor_words(actor).en for actor in Actor)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("[reason.no-route]", "[reason.no-rout]", "no-rout"),
        ("[reason.no-route]\n", "[other]\n", "other"),
        ('money_state = "unknown"', 'money_state = "perhaps"', "perhaps"),
        ('response_code = "98"', 'response_code = "00"', r"upstream-unknown\] is no approval"),
        ("[issuer-code.51]", "[issuer-code.A8]\nextra = 1", "extra"),
        ("[issuer-code.51]", "not toml", "declines.toml"),
    ],
)
def test_a_wrong_catalogue_is_refused_with_the_place(
    before: str, after: str, complaint: str
) -> None:
    assert before in TEXT
    with pytest.raises(CatalogueError, match=complaint):
        read_catalogue(TEXT.replace(before, after))


def _with(table: str, **changes: str) -> str:
    """Change keys of one table of the catalogue."""
    head, _, tail = TEXT.partition(f"[{table}]\n")
    body, blank, rest = tail.partition("\n\n")
    for key, value in changes.items():
        body = re.sub(rf'^{key} = ".*"$', f'{key} = "{value}"', body, flags=re.MULTILINE)
    return f"{head}[{table}]\n{body}{blank}{rest}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (_with("reason.upstream-unknown", retry="new-attempt"), "invites a second debit"),
        (_with("issuer-code.68", retry="new-attempt"), "invites a second debit"),
        (_with("reason.gateway-busy", retry="never"), "class B, but no new attempt"),
        (_with("issuer-code.51", outcome="approved"), "APPROVED_CODES"),
        (_with("issuer-code.00", **{"class": "C"}), "but not its class"),
    ],
)
def test_entries_that_contradict_each_other_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(CatalogueError, match=complaint):
        read_catalogue(text)


def test_all_contradictions_are_named_at_once() -> None:
    text = TEXT.replace("[reason.no-route]", "[reason.x]")
    with pytest.raises(CatalogueError):
        read_catalogue(text)
    start = TEXT.index("[reason.no-route]")
    without = TEXT[:start] + TEXT[TEXT.index("[reason.issuer-down]") :]
    without = without.replace('response_code = "98"', 'response_code = "00"')
    with pytest.raises(CatalogueError, match=r"no-route\] is missing.*upstream-unknown"):
        read_catalogue(without)


def test_no_decline_with_unknown_money_invites_a_new_attempt() -> None:
    for reason in Reason:
        decline = decline_of(reason)
        if decline.money_state is MoneyState.UNKNOWN:
            assert decline.retry is Retry.NEVER
