import msgspec
import pytest

from switch.domain.card import Card
from switch.domain.fees import FeePlan
from switch.domain.money import Money
from switch.domain.payment.payment import RouteTerms, SettlementLine
from switch.domain.payment.requests import Answer, OriginalReference, PaymentRequest
from switch.domain.payment.sharing import share_answer, share_line, share_request, share_terms
from switch.domain.transactions import TransactionType

REQUEST = PaymentRequest(
    idempotency_key="a|m|t|000001|000002|payment",
    fingerprint="f" * 64,
    channel="unionpay-pos",
    acquirer="acquirer",
    merchant_id="898110154110001",
    transaction=TransactionType.REFUND,
    received_at=1_700_000_000_000,
    start_before=1_700_000_000_001,
    deadline_at=1_700_000_000_002,
    amount=Money(100, "156"),
    card=Card(
        token="c" * 64,
        token_key_id="card-token-1",
        masked_pan="620000******0005",
        bin="62000000",
        sealed_pan=b"sealed",
        seal_key_id="card-seal-1",
        seal_id="gw-1",
        older_tokens=(("card-token-0", "d" * 64),),
    ),
    terminal_id="00000001",
    batch="000001",
    stan="000002",
    mti="0220",
    processing_code="200000",
    pos_entry_mode="012",
    pos_condition_code="00",
    merchant_type="5411",
    local_time="101112",
    local_date="1115",
    original=OriginalReference(rrn="010000000001"),
    partial_approval_accepted=True,
    transaction_code="25",
    key_version=3,
)
TERMS = RouteTerms(
    issuer_id="bank", link="line-1", merchant_type="5411", fee_plan=FeePlan(rate_ppm=6_000)
)
ANSWER = Answer(
    response_code="00",
    at=1_700_000_000_003,
    rrn="010000000002",
    authorization_id="AUTH01",
    settlement_date="1115",
    balance="0002156C000000000100",
)
LINE = SettlementLine(
    acquirer="acquirer",
    merchant_id="898110154110001",
    settlement_date="2023-11-15",
    currency="156",
    gross_minor=-100,
    fee_minor=-1,
    terminal_id="00000001",
    batch="000001",
    agent_id="agent",
    transaction=TransactionType.REFUND,
)


def read_again(value):
    """Decode it as a journal is decoded: every text is a new object."""
    return msgspec.json.decode(msgspec.json.encode(value), type=type(value))


def list_texts(value):
    """Find every text that a value holds, by its place."""
    texts = {}
    for name in value.__struct_fields__:
        held = getattr(value, name)
        if isinstance(held, str) and held:
            texts[name] = held
        elif isinstance(held, msgspec.Struct):
            texts |= {f"{name}.{inner}": text for inner, text in list_texts(held).items()}
    return texts


def share(value):
    match value:
        case PaymentRequest():
            return share_request(value)
        case RouteTerms():
            return share_terms(value)
        case Answer():
            return share_answer(value, ANSWER.rrn)
        case _:
            return share_line(value, REQUEST)


@pytest.mark.parametrize("value", [REQUEST, TERMS, ANSWER, LINE])
def test_what_is_shared_is_equal_to_what_it_was(value):
    assert share(read_again(value)) == value


@pytest.mark.parametrize(
    ("value", "own"),
    [
        (
            REQUEST,
            {
                *("idempotency_key", "fingerprint", "stan", "local_time"),
                *("card.token", "card.masked_pan", "card.seal_id", "original.rrn"),
            },
        ),
        (TERMS, set()),
        (ANSWER, {"authorization_id", "balance"}),
        (LINE, set()),
    ],
)
def test_only_what_differs_from_payment_to_payment_is_held_twice(value, own):
    first, second = list_texts(share(read_again(value))), list_texts(share(read_again(value)))
    assert {name for name, text in first.items() if second[name] is not text} == own


def test_a_line_that_was_just_written_is_not_written_again():
    request = share_request(read_again(REQUEST))
    line = msgspec.structs.replace(LINE, merchant_id=request.merchant_id)
    assert share_line(line, request) is line


def test_what_is_not_there_is_left_so():
    bare = msgspec.structs.replace(REQUEST, card=None, amount=None)
    assert share_request(bare) == bare
    assert share_terms(None) is None
    assert share_line(None, bare) is None
