import copy
import hmac

import pytest

from switch.security.tokens import CardTokenizer

TOKENIZER = CardTokenizer({"card-token-2": b"b" * 32, "card-token-1": b"a" * 32}, "card-token-2")
PAN = "6200000000000005"


def test_a_token_is_an_hmac_of_the_whole_pan_under_the_newest_key() -> None:
    assert TOKENIZER.token_of(PAN) == hmac.digest(b"b" * 32, PAN.encode(), "sha256").hex()
    assert TOKENIZER.key_id == "card-token-2"


def test_tokens_under_older_live_keys_can_still_be_compared() -> None:
    old = CardTokenizer({"card-token-1": b"a" * 32}, "card-token-1").token_of(PAN)
    assert TOKENIZER.older_tokens_of(PAN) == (("card-token-1", old),)
    assert TOKENIZER.key_ids == ("card-token-2", "card-token-1")


def test_another_card_has_another_token() -> None:
    assert TOKENIZER.token_of(PAN) != TOKENIZER.token_of("6200000000000047")


def test_a_tokenizer_hides_and_cannot_be_copied_out() -> None:
    assert "bbbb" not in repr(TOKENIZER)
    with pytest.raises(TypeError):
        copy.copy(TOKENIZER)
