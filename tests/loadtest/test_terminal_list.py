import pytest

from loadtest.terminal_list import TerminalListError, load_terminals, make_test_pan
from switch.domain.card import passes_luhn

ONE = """
[[terminals]]
acquirer = "demo"
merchant_id = "898110154110001"
terminal_id = "00000001"
batch = "000001"
mak = "1C1C1C1C1C1C1C1C"
pan = "6200000000000005"
"""


def test_a_list_is_read(tmp_path):
    path = tmp_path / "terminals.toml"
    path.write_text(ONE + ONE)
    assert [spec.terminal_id for spec in load_terminals(path)] == ["00000001", "00000001"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "terminals"),
        ("terminals = []", "no terminals"),
        (ONE + "colour = 1", "colour"),
        (ONE.replace("mak", "key"), "key"),
        ("[[", "terminals.toml"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_with_its_name(tmp_path, text, told):
    path = tmp_path / "terminals.toml"
    path.write_text(text)
    with pytest.raises(TerminalListError, match=told):
        load_terminals(path)


def test_a_missing_list_is_refused_with_its_name(tmp_path):
    with pytest.raises(TerminalListError, match=r"nowhere\.toml"):
        load_terminals(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("number", [0, 1, 4711, 999_999])
def test_test_pans_have_16_digits_and_a_right_check_digit(number):
    pan = make_test_pan("62123456", number)
    assert len(pan) == 16
    assert passes_luhn(pan)
    assert pan.startswith("62123456")
