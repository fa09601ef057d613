import pytest

from switch.security.ciphers import CIPHERS, CipherName, key_check_value


@pytest.mark.parametrize(
    ("cipher", "key", "kcv"),
    [
        ("des", "0123456789ABCDEF", "D5D44FF7"),
        ("des", "0123456789ABCDEFFEDCBA9876543210", "08D7B4FB"),
        ("sm4", "376D90E7945AA5CFDB4C07CCB35CEFD3", "08EEDEC7"),
        ("sm4", "F351D490994603795C6EBEE8FAEBB481", "861E83E3"),
    ],
)
def test_a_check_value_is_made_with_the_cipher_that_the_key_is_for(
    cipher: CipherName, key: str, kcv: str
) -> None:
    assert key_check_value(bytes.fromhex(key), cipher).hex().upper() == kcv


@pytest.mark.parametrize(("cipher", "length"), [("des", 5), ("sm4", 8), ("sm4", 24)])
def test_a_key_that_the_cipher_does_not_take_has_no_check_value(
    cipher: CipherName, length: int
) -> None:
    with pytest.raises(ValueError, match=f"not {length}$"):
        key_check_value(bytes(length), cipher)


@pytest.mark.parametrize("cipher", ["des", "sm4"])
def test_each_cipher_undoes_itself_on_blocks_of_its_size(cipher: CipherName) -> None:
    block_cipher = CIPHERS[cipher]
    key = bytes(range(16))
    block = bytes(range(block_cipher.block_bytes))
    encrypted = block_cipher.open_encryptor(key)(block)
    assert encrypted != block
    assert block_cipher.open_decryptor(key)(encrypted) == block
