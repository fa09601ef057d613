import json

import pytest
from click.testing import CliRunner

from switch.cli.iso import iso

SALE = (
    "0200 7024048000C08011 16 6200000000000005 000000 000000000100 000123 3012 0120 00"
    " 3030303030303031 383938313130313534313130303031 313536 0013 22000001000500"
    " 3438453146434145"
)
TRANSPORT = "6000060000 603100311003"
FRAMED = f"005A {TRANSPORT} {SALE}"
ASCII = "02004000000000000000101234567890"


def run(*arguments, stdin=None):
    return CliRunner().invoke(iso, arguments, input=stdin)


def output_of(*arguments, stdin=None):
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def error_of(*arguments, stdin=None):
    result = run(*arguments, stdin=stdin)
    assert result.exit_code != 0
    assert result.stdout == ""
    return result.stderr


@pytest.mark.parametrize(
    "arguments",
    [(SALE,), (f"{TRANSPORT} {SALE}",), ("--framed", FRAMED), ("--prefix", "binary-2", FRAMED)],
)
def test_decode_gives_names_and_masked_values(arguments):
    shown = json.loads(output_of("decode", *arguments))
    assert shown["mti"] == "0200"
    assert shown["fields"]["pan"] == "620000******0005"
    assert shown["fields"]["amount_transaction"] == "000000000100"
    assert shown["fields"]["mac"] == "(hidden, 8 bytes)"


def test_the_message_may_come_on_standard_input():
    assert "620000******0005" in output_of("decode", "--framed", stdin=FRAMED)
    assert "620000******0005" in output_of("decode", "--raw", stdin=bytes.fromhex(SALE))


def test_several_frames_are_several_messages():
    shown = output_of("decode", "--framed", "--format", "table", f"{FRAMED} 0000 {FRAMED}")
    assert shown.count("0200  financial request") == 2


def test_describe_is_a_table_or_json():
    assert "- transaction_code         22" in output_of("describe", "--framed", FRAMED)
    shown = json.loads(output_of("describe", "--format", "json", SALE))
    assert shown["elements"][0] == {"de": 2, "name": "pan", "value": "620000******0005"}


def test_text_dialects_take_the_bytes_as_they_are():
    shown = output_of("describe", "--dialect", "iso1987-ascii", "--raw", ASCII)
    assert "DE   2 pan" in shown


def test_what_decode_shows_in_clear_encode_reads():
    clear = output_of("decode", "--clear", "--framed", FRAMED)
    assert "6200000000000005" in clear
    assert output_of("encode", stdin=clear).strip() == SALE.replace(" ", "")
    framed = output_of("encode", "--framed", "--tpdu", "6000060000", clear)
    assert framed.strip() == FRAMED.replace(" ", "")


def test_encode_writes_bytes_when_asked():
    message = '{"mti": "0200", "fields": {"pan": "1234567890"}}'
    arguments = ("encode", "--dialect", "iso1987-ascii", message)
    assert output_of(*arguments, "--raw") == ASCII
    assert output_of(*arguments, "--raw", "--framed") == f"0032{ASCII}"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("decode", "--clear", "--format", "table", SALE), "--clear goes with --format json"),
        (("decode", "xyz"), "not hex"),
        (("decode", "0200"), "bitmap at offset 2"),
        (("decode", "--framed", FRAMED[:-2]), "the input ends inside a frame"),
        (("decode", "--framed", f"FFFF{SALE}"), "frame longer than allowed"),
        (("decode", "--dialect", "colour", SALE), "no dialect 'colour'"),
        (("decode", "60"), "the data ends inside"),
        (("decode", FRAMED), "begins with its own length: --framed"),
        (("encode", "{"), "MESSAGE"),
        (("encode", '{"mti": "0200", "fields": {"pan": 1}}'), "Expected `str`"),
        (("encode", '{"mti": "0200", "fields": {"colour": "1"}}'), "colour at offset 0"),
        (("encode", '{"mti": "0200", "fields": {"mac": "xy"}}'), "Invalid value for mac: not hex"),
        (("encode", "--framed", "--tpdu", "60", '{"mti": "0200", "fields": {}}'), "not 5 bytes"),
    ],
)
def test_what_cannot_be_done_is_said_without_content(arguments, why):
    error = error_of(*arguments)
    assert why in error
    assert "6200000000000005" not in error


def test_too_much_input_is_refused():
    assert "bytes of input" in error_of("decode", stdin="0" * ((1 << 20) + 1))
