import socket
import stat
from pathlib import Path

import pytest

from switch.apps.addresses import (
    ADDRESSES_FILE,
    AddressUnusable,
    bind_listener,
    bound_address,
    format_address,
    parse_address,
    read_addresses,
    remove_addresses,
    write_addresses,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("127.0.0.1:8583", ("127.0.0.1", 8583)),
        ("[::1]:80", ("::1", 80)),
        (":80", ("127.0.0.1", 80)),
        ("pay.example:0", ("pay.example", 0)),
    ],
)
def test_an_address_is_a_name_and_a_port(text: str, parts: tuple[str, int]) -> None:
    assert parse_address(text) == parts
    assert parse_address(format_address(*parts)) == parts


@pytest.mark.parametrize("text", ["", "8583", "x:", "x:http", "x:65536", "x:-1", "x:²"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        parse_address(text)


def test_port_0_picks_a_free_one() -> None:
    with bind_listener("http.address", "127.0.0.1:0") as bound:
        assert parse_address(bound_address(bound))[1] > 0


def test_a_busy_port_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        address = bound_address(holder)
        with pytest.raises(AddressUnusable) as caught:
            bind_listener("gateway.unionpay_pos_address", address)
    assert caught.value.is_busy
    assert "in use" in str(caught.value)
    assert "SWITCH__GATEWAY__UNIONPAY_POS_ADDRESS" in str(caught.value)


@pytest.mark.parametrize("address", ["nonsense", "203.0.113.7:0"])
def test_an_address_that_is_not_ours_is_named(address: str) -> None:
    with pytest.raises(AddressUnusable, match=r"http\.address") as caught:
        bind_listener("http.address", address)
    assert not caught.value.is_busy


def test_the_file_is_there_only_while_it_is_true(tmp_path: Path) -> None:
    assert read_addresses(tmp_path) is None
    write_addresses(tmp_path, {"http": "127.0.0.1:8080", "pid": 7})
    assert read_addresses(tmp_path) == {"http": "127.0.0.1:8080", "pid": 7}
    assert stat.S_IMODE((tmp_path / ADDRESSES_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [ADDRESSES_FILE]
    remove_addresses(tmp_path)
    remove_addresses(tmp_path)
    assert read_addresses(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_torn_file_counts_as_not_running(tmp_path: Path, text: str) -> None:
    (tmp_path / ADDRESSES_FILE).write_text(text)
    assert read_addresses(tmp_path) is None
