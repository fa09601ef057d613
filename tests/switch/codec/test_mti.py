import pytest

from switch.codec.mti import (
    Function,
    MessageClass,
    Origin,
    is_advice,
    is_repeat,
    known_mtis,
    message_class,
    parse_mti,
    response_mti,
)


@pytest.mark.parametrize(
    ("mti", "answer"),
    [
        ("0100", "0110"),
        ("0200", "0210"),
        ("0201", "0210"),
        ("0220", "0230"),
        ("0221", "0230"),
        ("0320", "0330"),
        ("0400", "0410"),
        ("0401", "0410"),
        ("0420", "0430"),
        ("0421", "0430"),
        ("0500", "0510"),
        ("0620", "0630"),
        ("0800", "0810"),
        ("0802", "0812"),
        ("0803", "0812"),
        ("0820", "0830"),
        ("0840", "0850"),
        ("2160", "2170"),
    ],
)
def test_an_answer_is_one_function_further_and_no_repeat(mti, answer):
    assert response_mti(mti) == answer


@pytest.mark.parametrize("mti", ["0210", "0430", "0180", "", "02000", "0x00", "0900", "0206"])
def test_what_is_not_asked_is_not_answered(mti):
    with pytest.raises(ValueError):
        response_mti(mti)


@pytest.mark.parametrize("mti", ["", "020", "02000", "0000", "0900", "0206", "3200", "०२००"])
def test_what_is_no_message_type_is_refused(mti):
    for function in (parse_mti, message_class, is_repeat, is_advice):
        with pytest.raises(ValueError):
            function(mti)


def test_a_message_type_is_its_four_meanings():
    mti = parse_mti("0421")
    assert mti.message_class is MessageClass.REVERSAL
    assert mti.function is Function.ADVICE
    assert mti.origin is Origin.ACQUIRER_REPEAT
    assert str(mti) == "0421"


@pytest.mark.parametrize(("mti", "want"), [("0200", False), ("0201", True), ("0402", False)])
def test_an_odd_origin_is_a_repeat(mti, want):
    assert is_repeat(mti) is want


@pytest.mark.parametrize(("mti", "want"), [("0220", True), ("0230", False), ("0200", False)])
def test_only_the_advice_itself_is_an_advice(mti, want):
    assert is_advice(mti) is want


def test_the_class_is_the_second_digit():
    assert message_class("0800") is MessageClass.NETWORK_MANAGEMENT


def test_the_types_of_a_version_are_those_that_begin_with_it():
    assert {mti[0] for mti in known_mtis("01")} == {"0", "1"}
    assert len(known_mtis("0")) == 8 * 10 * 6
