import pytest

from switch.codec import CodecError, Rule, load_dialect

POS = load_dialect("unionpay-pos")
BATCH = {"transaction_code": "22", "batch": "000001", "network_code": "000"}


@pytest.mark.parametrize(
    ("value", "more"),
    [
        ("22000001000", {}),
        ("2200000100050", {"read_capability": "5", "ic_condition": "0"}),
        (
            "22000001000500123",
            {
                "read_capability": "5",
                "ic_condition": "0",
                "partial_approval": "0",
                "account_type": "123",
            },
        ),
    ],
)
def test_trailing_parts_may_be_absent(value, more):
    assert POS.split("batch_data", value) == {**BATCH, **more}
    assert POS.join("batch_data", {**BATCH, **more}) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_data", "2200000100"),  # cut inside a part
        ("batch_data", "220000010005001234"),  # more than all parts
        ("stan", "000001"),  # no composite
        ("stan", ""),
    ],
)
def test_a_value_that_does_not_fit_its_parts_is_refused(name, value):
    with pytest.raises(CodecError) as caught:
        POS.split(name, value)
    assert caught.value.rule is Rule.NOT_PARTS


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("batch_data", {}),
        ("batch_data", {"batch": "000001"}),  # a gap before it
        ("batch_data", {**BATCH, "ic_condition": "0"}),  # a gap inside
        ("batch_data", {**BATCH, "colour": "0"}),
        ("batch_data", {"transaction_code": "2"}),
        ("batch_data", {"transaction_code": "222"}),
        ("original_data_elements", {"original_mti": "0200", "original_stan": "1"}),
        ("private_63", {"card_organisation": "CUP", "remark": "x" * 161}),
    ],
)
def test_parts_that_make_no_value_are_refused(name, parts):
    with pytest.raises(CodecError) as caught:
        POS.join(name, parts)
    assert caught.value.rule is Rule.NOT_PARTS


def test_an_unknown_element_has_no_parts():
    for function in (POS.split, POS.join):
        with pytest.raises(CodecError) as caught:
            function("colour", {})
        assert caught.value.rule is Rule.NOT_IN_DIALECT


def test_short_parts_are_filled_where_the_table_says_so():
    parts = {
        "original_mti": "0200",
        "original_stan": "000123",
        "original_transmission_time": "1122152200",
        "original_acquirer_id": "48021000",
        "original_forwarding_id": "0",
    }
    value = POS.join("original_data_elements", parts)
    assert value == "0200000123112215220000048021000" + "0" * 11
    assert POS.split("original_data_elements", value)["original_acquirer_id"] == "00048021000"


def test_the_last_part_may_be_the_rest():
    assert POS.join("private_63", {"card_organisation": "", "remark": "no-route"}) == "   no-route"
    assert POS.split("private_63", "CUPno-route") == {
        "card_organisation": "CUP",
        "remark": "no-route",
    }


def test_a_repeated_group_numbers_its_parts():
    value = "0102156C000000001000" + "0202156D000000000500"
    parts = POS.split("additional_amounts", value)
    assert parts["amount"] == "000000001000"
    assert (parts["sign_2"], parts["amount_2"]) == ("D", "000000000500")
    assert POS.join("additional_amounts", parts) == value


ITEM = {
    "card_kind": "00",
    "item_stan": "000123",
    "item_pan": "00006200000000000005",
    "item_amount": "000000000100",
}


def test_an_upload_list_is_a_count_and_up_to_eight_items():
    items = [ITEM | {"item_stan": f"{stan:06d}"} for stan in range(8)]
    value = POS.join_groups("upload_list", {"item_count": "8"}, items)
    assert len(value) == POS.specs["additional_data_private"].length
    assert POS.split("upload_list", value)["item_count"] == "08"
    assert POS.split_groups("upload_list", value) == items
    with pytest.raises(CodecError):
        POS.join_groups("upload_list", {"item_count": "9"}, [*items, ITEM])


def test_an_upload_list_may_be_empty():
    assert POS.join_groups("upload_list", {"item_count": "0"}, []) == "00"
    assert POS.split_groups("upload_list", "00") == []


def test_half_an_item_is_refused():
    value = POS.join_groups("upload_list", {"item_count": "1"}, [ITEM])
    for end in (len(value) - 1, len(value) - 12):
        with pytest.raises(CodecError) as caught:
            POS.split_groups("upload_list", value[:end])
        assert caught.value.rule is Rule.NOT_PARTS


def test_two_balances_are_two_groups():
    groups = POS.split_groups("additional_amounts", "0102156C000000001000" * 2)
    assert [group["amount"] for group in groups] == ["000000001000"] * 2


def test_the_three_things_that_element_48_may_be_have_their_names():
    assert POS.join("upload_end", {"upload_count": "12"}) == "0012"
    assert POS.split("additional_data_private", "0" * 62)["balance_flag"] == "0"


def test_a_sign_on_names_the_device_and_the_cashier():
    device = {"sequence_label": "Sequence No", "serial_number": "153135320-017-687"}
    assert POS.join("device_sequence", device) == "Sequence No153135320-017-687"
    assert POS.join("operator", {"operator_code": "01"}) == "01 "
