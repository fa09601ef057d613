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
