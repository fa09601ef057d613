import pytest

from switch.codec import CodecError, Dialect, Message, Rule, load_dialect
from switch.codec.table_driven import TableDriven

POS = TableDriven(load_dialect("unionpay-pos").table)
ASCII = TableDriven(load_dialect("iso1987-ascii").table)


def refusal_of(function, argument):
    with pytest.raises(CodecError) as caught:
        function(argument)
    error = caught.value
    return error.de, error.name, error.offset, error.rule


@pytest.mark.parametrize(
    ("wire", "refusal"),
    [
        (b"", (0, "mti", 0, Rule.SHORT)),
        (b"\x02", (0, "mti", 0, Rule.SHORT)),
        (b"\x12\x00" + bytes(8), (0, "mti", 0, Rule.NOT_MTI)),
        (b"\x02\x0f" + bytes(8), (0, "mti", 0, Rule.NOT_MTI)),
        (b"\x02\x00" + bytes(7), (1, "bitmap", 2, Rule.SHORT)),
        (b"\x02\x00" + (b"\x80" + bytes(7)) * 2, (1, "bitmap", 2, Rule.THIRD_BITMAP)),
        (b"\x02\x00" + bytes(8) + b"\0", (0, "message", 10, Rule.TRAILING)),
        (
            bytes.fromhex("0200 8000000000000001 0400000000000000") + bytes(10),
            (64, "mac", 2, Rule.MAC_NOT_LAST),
        ),
        (
            bytes.fromhex("0200 3000000000000000 000000 00000000000a"),
            (4, "amount_transaction", 13, Rule.NOT_DECIMAL),
        ),
    ],
)
def test_a_message_that_breaks_the_dialect_is_refused_where_it_does(wire, refusal):
    assert refusal_of(POS.decode, wire) == refusal


def test_an_element_without_a_row_is_refused_not_skipped():
    table = Dialect.from_toml('name = "x"\nextends = "unionpay-pos"\ndrop = [5]\n').table
    wire = bytes.fromhex("0200 0800000000000000") + bytes(6)
    assert refusal_of(TableDriven(table).decode, wire) == (5, "?", 2, Rule.NOT_IN_DIALECT)


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        (Message("0299", {}), (0, "mti", 0, Rule.NOT_MTI)),
        (Message("", {}), (0, "mti", 0, Rule.NOT_MTI)),
        (Message("0200", {"colour": "1"}), (0, "colour", 0, Rule.NOT_IN_DIALECT)),
        (
            Message("0200", {"mac": bytes(8), "network_code": "001"}),
            (64, "mac", 4, Rule.MAC_NOT_LAST),
        ),
        (
            Message("0200", {"stan": "000001", "pan": "x"}),
            (2, "pan", 20, Rule.NOT_DECIMAL),
        ),
        (
            Message("0200", {"stan": "00001", "pan": "62"}),
            (11, "stan", 24, Rule.WRONG_LENGTH),
        ),
    ],
)
def test_a_message_that_breaks_the_dialect_is_not_written(message, refusal):
    assert refusal_of(ASCII.encode, message) == refusal


def test_elements_are_written_in_order_whatever_the_order_they_are_given_in():
    given = {"amount_transaction": "000000000100", "processing_code": "000000"}
    assert ASCII.encode(Message("0200", given)).endswith(b"000000" + b"000000000100")


def test_no_error_shows_content():
    pan = "6200000000000005"
    for message in (
        Message("0200", {"pan": pan, "stan": pan}),
        Message("0200", {"pan": pan * 2}),
        Message("0200", {"pan": pan, "track2": f"{pan}x"}),
    ):
        with pytest.raises(CodecError) as caught:
            ASCII.encode(message)
        assert "6200" not in str(caught.value) + repr(caught.value)
