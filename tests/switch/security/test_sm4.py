import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.security.sm4 import open_block_cipher, open_block_decipher

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


def test_the_example_of_the_standard() -> None:
    assert open_block_cipher(KEY)(KEY).hex().upper() == "681EDF34D206965E86B3E94F536E4246"


@pytest.mark.parametrize(
    ("kek", "wrapped", "key"),
    [
        (
            "42314631354338344444363831374239",
            "89A4CA515B89220AAFA32D695D95A890",
            "376D90E7945AA5CFDB4C07CCB35CEFD3",
        ),
        (
            "1234567890ABCDEFABCDEF0987654321",
            "3D66234C49E4296FF9C78D8BACBD6A76",
            "F351D490994603795C6EBEE8FAEBB481",
        ),
    ],
)
def test_a_wrapped_key_is_unwrapped_and_wrapped_again(kek: str, wrapped: str, key: str) -> None:
    clear = open_block_decipher(bytes.fromhex(kek))(bytes.fromhex(wrapped))
    assert clear.hex().upper() == key
    assert open_block_cipher(bytes.fromhex(kek))(clear).hex().upper() == wrapped


@given(key=st.binary(min_size=16, max_size=16), block=st.binary(min_size=16, max_size=16))
def test_decryption_undoes_encryption(key: bytes, block: bytes) -> None:
    assert open_block_decipher(key)(open_block_cipher(key)(block)) == block


@pytest.mark.parametrize("length", [0, 8, 15, 17, 24])
def test_a_key_of_another_length_is_refused_without_showing_it(length: int) -> None:
    for open_either in (open_block_cipher, open_block_decipher):
        with pytest.raises(ValueError, match=f"has 16 bytes, not {length}$"):
            open_either(b"\x41" * length)
