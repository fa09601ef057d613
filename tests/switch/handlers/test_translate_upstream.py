import pytest

from switch.domain.upstream import MatchKey, UpstreamAnswer
from switch.handlers.translate_upstream import read_issuer_answer


def test_an_issuers_answer_without_a_code_cannot_be_trusted(world, make_message):
    world.send(make_message())
    payment = world.book.find_payment("010000000000")
    answer = UpstreamAnswer(
        link="issuer-1", match=MatchKey("payment", "1", "2", "3"), mti="0210", fields={}
    )
    assert read_issuer_answer(answer, payment, 5).fault


def test_the_debit_names_the_merchant_and_carries_no_card_number(world, make_message):
    world.send(make_message())
    request = world.sent[0].request
    assert request.fields["merchant_type"] == "5411"
    assert request.fields["amount_transaction"] == "000000000100"
    assert "6200000000000005" not in str(request)


def test_the_reversal_quotes_the_debit(world, make_message):
    world.send(make_message())
    world.pass_ms(3_200)
    debit, reversal = (action.request.fields for action in world.sent[:2])
    quoted = reversal["original_data_elements"]
    assert quoted.startswith(f"0200{debit['stan']}{debit['transmission_time']}")
    assert len(quoted) == 42
    assert reversal["stan"] == debit["stan"]
    assert reversal["rrn"] == debit["rrn"]


# docs/iso8583.md 7: what is asked, MTI, DE 3, DE 25, and whose message DE 90 quotes
UPSTREAM = {
    "inquiry": ("0200", "310000", "00", ""),
    "sale": ("0200", "000000", "00", ""),
    "instalment": ("0200", "000000", "64", ""),
    "void": ("0200", "200000", "00", "sale"),
    "refund": ("0220", "200000", "00", "sale"),
    "pre-auth": ("0100", "030000", "06", ""),
    "pre-auth void": ("0100", "200000", "06", "pre-auth"),
    "completion": ("0200", "000000", "06", "pre-auth"),
    "completion void": ("0200", "200000", "06", "completion"),
    "completion advice": ("0220", "000000", "06", "pre-auth"),
    "offline": ("0220", "000000", "00", ""),
    "adjustment": ("0220", "000000", "00", "sale"),
}


@pytest.fixture
def ask(till):
    """Ask for one kind of transaction, and for what it needs before; return all that was asked."""

    def build(kind):
        first = UPSTREAM[kind][3]
        if first == "completion":
            asked = [till.get("pre-auth")]
            asked.append(till.get("completion", of=asked[0]))
        else:
            asked = [till.get(first)] if first else []
        amount = 150 if kind == "adjustment" else 100
        return [*asked, till.ask(kind, amount, of=asked[-1] if asked else None)]

    return build


@pytest.mark.parametrize("kind", UPSTREAM)
def test_how_an_issuer_is_asked_or_told(world, ask, kind):
    *_, asked = ask(kind)
    world.pass_ms(100)
    request = world.sent[-1].request
    mti, code, condition, first = UPSTREAM[kind]
    fields = request.fields
    assert (request.mti, fields["processing_code"], fields["pos_condition_code"]) == (
        mti,
        code,
        condition,
    )
    assert fields["rrn"] == asked.rrn
    assert ("original_data_elements" in fields) == bool(first)
    if first:
        before = world.sent[-2].request
        quoted = f"{before.mti}{before.fields['stan']}{before.fields['transmission_time']}"
        assert fields["original_data_elements"].startswith(quoted)
        assert len(fields["original_data_elements"]) == 42
    assert fields["stan"] not in {one.request.fields["stan"] for one in world.sent[:-1]}


@pytest.mark.parametrize("kind", [kind for kind in UPSTREAM if kind not in {"inquiry", "refund"}])
def test_the_reversal_of_anything_is_as_that_and_quotes_it(world, till, ask, kind):
    *_, asked = ask(kind)
    world.pass_ms(100)
    told = world.sent[-1].request
    if kind not in {"offline", "adjustment", "completion advice"}:
        world.answer_of_issuer(asked.rrn, "00")
    till.take_back(asked)
    world.pass_ms(100)
    reversal = world.sent[-1].request
    assert reversal.mti == "0420"
    for name in ("processing_code", "pos_condition_code", "amount_transaction", "stan", "rrn"):
        assert reversal.fields[name] == told.fields[name], name
    quoted = f"{told.mti}{told.fields['stan']}{told.fields['transmission_time']}"
    assert reversal.fields["original_data_elements"].startswith(quoted)
    assert reversal.secrets == {}
    assert "authorization_id" not in reversal.fields


def test_a_repeat_is_the_first_but_for_its_origin_digit(world, till):
    till.ask("offline")
    world.pass_ms(100)
    first = world.sent[-1].request
    world.pass_ms(1_500)
    repeat = world.sent[-1].request
    assert (first.mti, repeat.mti) == ("0220", "0221")
    assert (repeat.fields, repeat.match, repeat.secrets) == (first.fields, first.match, {})


def test_an_inquirys_answer_brings_the_balance_and_a_sales_does_not(world, till):
    for kind, balance in (("inquiry", "0001156C000000001000"), ("sale", "")):
        asked = till.ask(kind)
        world.answer_of_issuer(asked.rrn, "00", additional_amounts="0001156C000000001000")
        assert till.payment(asked).answer.balance == balance
