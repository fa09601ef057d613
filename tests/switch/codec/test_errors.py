import pickle

from switch.codec.errors import CodecError, Rule


def test_an_error_names_element_offset_and_rule():
    error = CodecError(4, "amount_transaction", 23, Rule.NOT_DECIMAL)
    assert str(error) == "DE 4 amount_transaction at offset 23: not decimal"


def test_what_is_no_element_goes_by_its_name_alone():
    assert str(CodecError(0, "mti", 0, Rule.SHORT)).startswith("mti at offset 0: ")
    assert str(CodecError(1, "bitmap", 2, Rule.SHORT)).startswith("bitmap at offset 2: ")


def test_an_error_survives_pickling():
    error = CodecError(4, "amount_transaction", 23, Rule.NOT_DECIMAL)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.de, copy.name, copy.offset, copy.rule) == (4, "amount_transaction", 23, error.rule)
