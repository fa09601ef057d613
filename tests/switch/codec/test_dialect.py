import pytest

from switch.codec import CodecError, Dialect, DialectError, Message, Rule, load_dialect
from switch.codec.compiled_cache import SIGHTINGS_BEFORE_COMPILING
from switch.codec.dialect_table import list_dialects

FIELDS = {
    "pan": "6200000000000005",
    "stan": "000123",
    "track2": "6200000000000005=30122010000000000",
    "terminal_id": "00000001",
    "batch_data": "2200000100050",
    "mac": b"48E1FCAE",
}
MESSAGE = Message("0200", FIELDS)


@pytest.fixture
def pos():
    return Dialect(load_dialect("unionpay-pos").table)


def warm(dialect, message=MESSAGE):
    wire = dialect.encode(message)
    for _ in range(SIGHTINGS_BEFORE_COMPILING):
        dialect.decode(wire)
        dialect.encode(message)
    return wire


def test_a_dialect_is_loaded_once():
    assert load_dialect("unionpay-pos") is load_dialect("unionpay-pos")


def test_an_unknown_dialect_is_refused_by_name():
    with pytest.raises(DialectError, match="no dialect 'colour'; there are iso1987-ascii"):
        load_dialect("colour")


@pytest.mark.parametrize(
    ("name", "length"), [("unionpay-pos", 8), ("iso1987-binary", 8), ("iso1987-ascii", 16)]
)
def test_the_mac_is_the_last_bytes_of_a_message(name, length):
    dialect = load_dialect(name)
    assert dialect.mac_length == length
    for mac in ("mac", "mac_secondary"):
        plain = Message("0200", {"stan": "000001", mac: bytes(8)})
        other = Message("0200", {"stan": "000001", mac: b"\xff" * 8})
        one, two = dialect.encode(plain), dialect.encode(other)
        assert one[:-length] == two[:-length]
        assert one[-length:] != two[-length:]


@pytest.mark.parametrize("name", list_dialects())
def test_what_must_never_be_shown_is_secret_in_every_dialect(name):
    never = {
        "pan",
        "expiration_date",
        "extended_pan",
        "track1",
        "track2",
        "track3",
        "pin_block",
        "icc_data",
        "private_62",
        "additional_data_private",
        "message_security_code",
        "mac",
        "mac_secondary",
        "account_id_1",
        "account_id_2",
    }
    assert never <= load_dialect(name).secret_names


def test_what_may_be_stored_in_clear_is_text_and_no_secret(pos):
    open_texts = {"stan": "000123", "merchant_id": "898110154110001"}
    secrets = {"pan": "6200000000000005", "private_62": "keys", "mac": bytes(8)}
    assert pos.clear_texts(Message("0210", open_texts)) == open_texts
    assert pos.clear_texts(Message("0210", {**secrets, **open_texts})) == open_texts


def test_a_bitmap_seen_often_is_compiled_and_gives_the_same(pos):
    wire = warm(pos)
    assert (len(pos._decoders), len(pos._encoders)) == (1, 1)
    assert pos.decode(wire) == MESSAGE
    assert pos.encode(MESSAGE) == wire


def test_a_compiled_bitmap_still_says_what_is_wrong(pos):
    wire = warm(pos)
    with pytest.raises(CodecError) as caught:
        pos.decode(wire[:-1])
    assert (caught.value.name, caught.value.rule) == ("mac", Rule.SHORT)
    with pytest.raises(CodecError) as caught:
        pos.encode(Message("0200", {**FIELDS, "stan": "x"}))
    assert (caught.value.name, caught.value.rule) == ("stan", Rule.WRONG_LENGTH)


def test_what_a_compiled_function_leaves_open_the_table_decides(pos):
    warm(pos, Message("0200", {"pan": "6200000000000005"}))
    without_digits = Message("0200", {"pan": ""})
    assert pos.decode(pos.encode(without_digits)) == without_digits


def test_compiled_or_not_a_message_in_two_maps_is_read(pos):
    message = Message("0800", {"stan": "000001", "network_code": "301"})
    wire = warm(pos, message)
    assert pos.decode(wire) == message


def test_messages_that_are_refused_are_never_compiled(pos):
    wire = pos.encode(MESSAGE)[:-1]
    for _ in range(3 * SIGHTINGS_BEFORE_COMPILING):
        with pytest.raises(CodecError):
            pos.decode(wire)
        with pytest.raises(CodecError):
            pos.encode(Message("0200", {"stan": "x"}))
    assert (len(pos._decoders), len(pos._encoders)) == (0, 0)


def test_a_short_terminal_id_is_filled_on_both_paths(pos):
    warm(pos, Message("0800", {"terminal_id": "00000001"}))
    wire = pos.encode(Message("0800", {"terminal_id": "1"}))
    assert pos.decode(wire).fields == {"terminal_id": "1       "}


def test_a_track_is_read_with_its_equals_sign_and_written_with_its_nibble(pos):
    wire = warm(pos)
    assert b"\x05\xd3\x01" in wire
    assert pos.decode(wire).fields["track2"] == FIELDS["track2"]
    with_letter = {**FIELDS, "track2": FIELDS["track2"].replace("=", "D")}
    assert pos.encode(Message("0200", with_letter)) == wire


def test_an_unknown_element_has_no_row(pos):
    assert pos.get_spec("stan").de == 11
    with pytest.raises(CodecError) as caught:
        pos.get_spec("colour")
    assert caught.value.rule is Rule.NOT_IN_DIALECT


def test_a_dialect_without_mac_has_no_mac_bytes():
    text = 'name = "x"\nextends = "unionpay-pos"\ndrop = [64, 128]\n'
    assert Dialect.from_toml(text).mac_length == 0


def test_the_working_keys_of_a_sign_on_are_bare_bytes_one_character_each():
    keys = bytes(range(256))
    message = Message("0810", {"stan": "000001", "private_62": keys.decode("latin-1")})
    dialect = load_dialect("unionpay-pos")
    wire = dialect.encode(message)
    assert wire.endswith(b"\x02\x56" + keys)
    assert dialect.decode(wire).fields["private_62"].encode("latin-1") == keys


def test_groups_are_split_and_joined_by_the_name_of_their_shape(pos):
    items = [{"card_kind": "00", "item_stan": "000001", "item_pan": "0" * 20, "item_amount": "1"}]
    value = pos.join_groups("upload_list", {"item_count": "1"}, items)
    [item] = pos.split_groups("upload_list", value)
    assert item["item_amount"] == "000000000001"
    with pytest.raises(CodecError):
        pos.split_groups("colour", value)


def test_a_few_elements_are_picked_before_and_after_a_picker_is_compiled(pos):
    wire, names = pos.encode(MESSAGE), frozenset({"track2", "pan", "rrn"})
    for _ in range(SIGHTINGS_BEFORE_COMPILING + 1):
        assert pos.pick(wire, names) == {"pan": FIELDS["pan"], "track2": FIELDS["track2"]}


def test_nothing_is_picked_out_of_what_is_no_message(pos):
    with pytest.raises(CodecError):
        pos.pick(b"", frozenset({"pan"}))
