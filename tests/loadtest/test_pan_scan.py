from pathlib import Path

import pytest

from loadtest.pan_scan import FINDING_COUNT_MAX, PanScanner

PAN = "6212345678901232"
PLAIN_PAN = "6200000000000005"
HERE = Path("file")


def found(content, *known):
    return [(f.how, f.position) for f in PanScanner(known).scan_bytes(content, HERE)]


@pytest.mark.parametrize(
    ("content", "how"),
    [
        (b"a6212345678901232b", "known"),
        ("x6212345678901232".encode("utf-16-le"), "known-utf16"),
        (bytes.fromhex("16 6212345678901232 00"), "known-bcd"),
        (bytes.fromhex("01 66212345678901232F"), "known-bcd"),
    ],
)
def test_a_known_pan_is_found_in_every_encoding(content, how):
    assert how in [name for name, _ in found(content, PAN)]


def test_a_pan_of_few_digits_is_looked_for_as_text_only():
    packed = bytes.fromhex("0062000000000000050000")
    assert found(packed, PLAIN_PAN) == []
    assert ("known", 1) in found(f"x{PLAIN_PAN}x".encode(), PLAIN_PAN)


def test_an_unknown_pan_is_found_by_its_check_digit():
    assert found(b'{"pan":"4111111111111111"}') == [("luhn", 8)]
    assert found(b"6200000000000005=3012") == [("luhn", 0)]
    assert found(b"6200000000000005D3012201") == [("luhn", 0)]
    assert found(b"%B6200000000000005^A/B^3012") == [("luhn", 2)]


@pytest.mark.parametrize(
    "content",
    [
        b"4111111111111112",  # wrong check digit
        b"898110154110001",  # a merchant id
        b"000000000017",  # an RRN
        b"1767225600000000000",  # nanoseconds
        b"abc4111111111111111",  # inside base64 or a longer token
        b"41111111111111111111111",  # a longer number
        b"622000****0005",
        b'"security_control":"2600000000000000"',
        b"",
    ],
)
def test_what_is_not_a_pan_is_left_alone(content):
    assert found(content) == []


def test_a_tree_is_scanned_and_evidence_shows_no_number(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_text(f"debug {PAN}\n")
    (tmp_path / "empty").touch()
    (tmp_path / "clean").write_text("nothing")
    (tmp_path / "link").symlink_to("/nowhere")
    findings = PanScanner([PAN]).scan_tree(tmp_path)
    assert {(str(f.path), f.how, f.masked) for f in findings} == {
        ("logs/app.log", "known", "621234******1232"),
        ("logs/app.log", "luhn", "621234******1232"),
    }


def test_a_flood_of_findings_is_bounded(tmp_path):
    (tmp_path / "dump").write_text("4111111111111111\n" * (FINDING_COUNT_MAX + 10))
    assert len(PanScanner().scan_tree(tmp_path)) == FINDING_COUNT_MAX


def test_a_published_pan_is_not_a_secret():
    scanner = PanScanner([PAN, PLAIN_PAN], published_pans=[PLAIN_PAN])
    content = f"{PLAIN_PAN} and {PAN}".encode()
    assert {finding.masked for finding in scanner.scan_bytes(content, HERE)} == {"621234******1232"}
