"""Money is conserved: whatever is sent, the ledger adds up, and so do those who read it."""

from collections.abc import Sequence

from hypothesis import event, given
from hypothesis import strategies as st

from switch.codec import Message
from switch.demo.issuer_accounts import IssuerAccounts
from switch.demo.issuer_book import IssuerBook, Verdict
from switch.demo.issuer_line import BOOKED_OUTCOMES, LedgerLine
from switch.demo.issuer_standing import standing_by_original, standing_holds, standing_money

MERCHANT = "898110154110001"
SALES = (1, 2, 3)
HOLDS = (9, 10)
COMPLETIONS = (12, 13, 14)
# MTI, DE 3, DE 25; the numbers of payments usually of this kind, and those that they quote
KINDS = {
    "sale": ("0200", "000000", "00", SALES, (0,)),
    "void": ("0200", "200000", "00", (4, 5), SALES),
    "refund": ("0220", "200000", "00", (6, 7, 8), (*SALES, *COMPLETIONS)),
    "refund repeat": ("0221", "200000", "00", (6, 7, 8), (*SALES, *COMPLETIONS)),
    "pre-authorization": ("0100", "030000", "06", HOLDS, (0,)),
    "its void": ("0100", "200000", "06", (11,), HOLDS),
    "completion": ("0200", "000000", "06", (12, 13), HOLDS),
    "completion advice": ("0220", "000000", "06", (14,), HOLDS),
    "completion advice repeat": ("0221", "000000", "06", (14,), HOLDS),
    "completion void": ("0200", "200000", "06", (15, 16), COMPLETIONS),
    "offline advice": ("0220", "000000", "00", (17,), (0, *SALES)),
    "inquiry": ("0200", "310000", "00", (18,), (0,)),
}
COUNT = 18
AMOUNTS = (1000, 400, 1140, 97, 98, 1051, 1088, 6666)


def build(kind: str, number: int, of: int, minor: int) -> Message:
    mti, code, condition = KINDS[kind][:3] if kind in KINDS else ("0420", "000000", "00")
    fields: dict[str, str | bytes] = {
        "pan": "6200000000000005",
        "processing_code": code,
        "amount_transaction": f"{minor:012d}",
        "transmission_time": f"1115{number:06d}",
        "stan": f"{number:06d}",
        "pos_condition_code": condition,
        "rrn": f"{number:012d}",
        "merchant_id": MERCHANT,
        "currency": "156",
    }
    if of:
        fields["original_data_elements"] = f"0200{of:06d}1115{of:06d}{'0' * 22}"
    return Message(mti, fields)


kinds = st.sampled_from(sorted(KINDS))
numbers = st.integers(1, COUNT)
amounts = st.one_of(st.just(1000), st.sampled_from(AMOUNTS))
orderly = kinds.flatmap(
    lambda kind: st.builds(
        build,
        st.just(kind),
        st.sampled_from(KINDS[kind][3]),
        st.sampled_from(KINDS[kind][4]),
        amounts,
    )
)
disorderly = st.builds(build, kinds, numbers, st.integers(0, COUNT), amounts)
reversals = st.builds(build, st.just("reversal"), numbers, st.just(0), amounts)
openings = st.tuples(
    st.builds(build, st.just("sale"), st.just(1), st.just(0), amounts),
    st.builds(build, st.just("pre-authorization"), st.just(9), st.just(0), amounts),
    st.builds(build, st.just("completion"), st.just(12), st.just(9), amounts),
)
rest = st.lists(st.one_of(*[orderly] * 6, reversals, disorderly), min_size=10, max_size=50)
conversations = st.builds(lambda first, then: [*first, *then], openings, rest)


def hold(book: IssuerBook, messages: Sequence[Message]) -> list[Verdict]:
    return [book.receive(message, 1_700_000_000_000) for message in messages]


def lines_of(messages: Sequence[Message]) -> list[LedgerLine]:
    return [verdict.line for verdict in hold(IssuerBook(), messages)]


def is_reversed_after(lines: Sequence[LedgerLine], index: int, rrn: str) -> bool:
    return any(
        line.op == "reversal" and line.rrn == rrn and line.outcome in {"reversed", "not-booked"}
        for line in lines[index + 1 :]
    )


def count_what_stands(lines: Sequence[LedgerLine]) -> int:
    """Approved debits - voids - credits, each unless reversed: said without any account."""
    ops = {line.rrn: line.op for line in lines if line.outcome in BOOKED_OUTCOMES}
    total = 0
    for index, line in enumerate(lines):
        if line.outcome not in BOOKED_OUTCOMES or is_reversed_after(lines, index, line.rrn):
            continue
        if line.op == "debit":
            total += line.amount_minor
        elif line.op in {"void", "credit"} and ops[line.original_rrn] == "debit":
            is_absorbed = is_reversed_after(lines, index, line.original_rrn)
            total -= 0 if is_absorbed else line.amount_minor
    return total


@given(conversations)
def test_money_is_conserved_whatever_is_sent(messages: list[Message]) -> None:
    lines = lines_of(messages)
    for line in lines:
        event(f"{line.op} {line.outcome}")
    standing = sum(standing_money(lines).values())
    assert standing == count_what_stands(lines)
    assert standing == sum(line.moved_minor for line in lines)
    assert standing == sum(standing_by_original(lines).values())


@given(conversations)
def test_nobody_is_given_back_more_than_was_taken(messages: list[Message]) -> None:
    lines = lines_of(messages)
    for end in range(len(lines) + 1):
        assert all(minor > 0 for minor in standing_by_original(lines[:end]).values())
        assert sum(standing_holds(lines[:end]).values()) >= 0


@given(conversations)
def test_what_the_accounts_hold_is_what_the_lines_moved(messages: list[Message]) -> None:
    accounts = IssuerAccounts(remembered_count_max=COUNT)
    lines = lines_of(messages)
    for line in lines:
        accounts.apply(line)
    known = [found for number in range(1, COUNT + 1) if (found := accounts.find(f"{number:012d}"))]
    money = [account.standing_minor for account in known if account.op == "debit"]
    holds = [account.standing_minor for account in known if account.op == "authorization"]
    assert min(money, default=0) >= 0
    assert sum(money) == sum(line.moved_minor for line in lines)
    assert (
        sum(holds) == sum(line.held_minor for line in lines) == sum(standing_holds(lines).values())
    )


@given(conversations, st.integers(0, 60))
def test_an_issuer_that_read_its_ledger_again_goes_on_as_if_nothing_had_been(
    messages: list[Message], cut: int
) -> None:
    whole = hold(IssuerBook(), messages)
    again = IssuerBook()
    for verdict in whole[:cut]:
        again.recall(verdict.line)
    assert hold(again, messages[cut:]) == whole[cut:]


@given(conversations)
def test_a_second_reversal_moves_nothing(messages: list[Message]) -> None:
    book = IssuerBook()
    hold(book, [message for message in messages if message.mti[1] != "4"])
    for number in range(1, COUNT + 1):
        reversal = build("reversal", number, 0, 1000)
        first = book.receive(reversal, 0).line
        assert first.outcome in {"reversed", "not-booked", "unknown"}
        second = book.receive(reversal, 0).line
        assert second.outcome in {"already", "not-booked", "unknown"}
        assert (second.moved_minor, second.held_minor) == (0, 0)


def debit(rrn: str, minor: int = 1000, outcome: str = "approved", of: str = "") -> LedgerLine:
    return LedgerLine(
        op="debit", outcome=outcome, at=0, rrn=rrn, amount_minor=minor, original_rrn=of
    )


def changed(op: str, rrn: str, minor: int = 1000, of: str = "") -> LedgerLine:
    outcome = "reversed" if op == "reversal" else "approved"
    return LedgerLine(op=op, outcome=outcome, at=0, rrn=rrn, amount_minor=minor, original_rrn=of)


def test_each_payment_stands_for_itself_and_the_first_for_all() -> None:
    lines = [debit("a"), changed("credit", "b", 300, of="a"), debit("c", 50, of="a"), debit("d")]
    assert standing_money(lines) == {"a": 1000, "b": -300, "c": 50, "d": 1000}
    assert standing_by_original(lines) == {"a": 750, "d": 1000}


def test_a_void_belongs_to_what_it_voided_and_not_to_what_it_asked_for_in_vain() -> None:
    refused = LedgerLine(op="void", outcome="declined", at=0, rrn="c", original_rrn="a")
    lines = [debit("a"), debit("b"), refused, changed("void", "c", of="b")]
    assert standing_by_original(lines) == {"a": 1000}


def test_what_was_reversed_or_voided_holds_nothing() -> None:
    lines = [debit("a"), changed("reversal", "a"), debit("b"), changed("void", "c", of="b")]
    assert standing_money(lines) == {"b": 1000, "c": -1000}
    assert standing_by_original(lines) == {}


def test_two_debits_of_one_payment_both_stand() -> None:
    assert standing_money([debit("a"), debit("a", outcome="silent")]) == {"a": 2000}


def test_a_completion_belongs_to_its_pre_authorization() -> None:
    lines = [changed("authorization", "a"), debit("b", of="a"), changed("void", "c", of="b")]
    assert standing_by_original(lines[:2]) == {"a": 1000}
    assert standing_by_original(lines) == {}
    assert standing_holds(lines[:2]) == {"a": 1000, "b": -1000}
    assert standing_holds(lines) == {"a": 1000, "b": -1000, "c": 1000}
