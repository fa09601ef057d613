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
