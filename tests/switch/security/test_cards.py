import copy
import pickle

import msgspec
import pytest

from switch.security.cards import SEAL_FAMILY, TOKEN_FAMILY, CardVault, PanAndExpiry
from switch.security.keystore import MemoryKeyStore, start_next_version
from switch.security.sealing import SealBroken

PAN = "6200000000000005"


@pytest.fixture
def keystore() -> MemoryKeyStore:
    return MemoryKeyStore()


@pytest.fixture
def vault(keystore: MemoryKeyStore) -> CardVault:
    return CardVault(keystore)


@pytest.mark.parametrize("expiration_date", ["3012", ""])
def test_a_protected_card_is_revealed_with_its_expiry(
    vault: CardVault, expiration_date: str
) -> None:
    card = vault.protect(PAN, expiration_date, "g-1")
    assert vault.reveal(card) == PanAndExpiry(PAN, expiration_date)
    assert (card.masked_pan, card.bin) == ("620000******0005", "62000000")


def test_a_protected_card_holds_no_pan_in_any_form(vault: CardVault) -> None:
    stored = msgspec.json.encode(vault.protect(PAN, "3012", "g-1"))
    assert PAN.encode() not in stored
    assert b"0000000000" not in stored


def test_the_same_card_has_the_same_token_and_another_seal(vault: CardVault) -> None:
    first, second = vault.protect(PAN, "3012", "g-1"), vault.protect(PAN, "3012", "g-1")
    assert first.token == second.token == vault.token_of(PAN)
    assert first.sealed_pan != second.sealed_pan


def test_a_card_moved_to_another_event_does_not_open(vault: CardVault) -> None:
    moved = msgspec.structs.replace(vault.protect(PAN, "3012", "g-1"), seal_id="g-2")
    with pytest.raises(SealBroken):
        vault.reveal(moved)


def test_a_card_is_the_same_card_across_a_rotation(keystore: MemoryKeyStore) -> None:
    old = CardVault(keystore)
    before = old.protect(PAN, "3012", "g-1")
    other = old.protect("6200000000000047", "3012", "g-3")
    start_next_version(keystore, TOKEN_FAMILY)
    start_next_version(keystore, SEAL_FAMILY)
    new = CardVault(keystore)
    after = new.protect(PAN, "3012", "g-2")
    assert before.token != after.token
    assert before.is_same_as(after)
    assert after.is_same_as(before)
    assert not other.is_same_as(after)
    assert before.lasting_token == after.lasting_token
    assert before.is_same_as(old.protect(PAN, "", "g-4"))
    assert old.reveal(after).pan == PAN, "a vault opened before the rotation fetches the new key"


def test_cards_whose_common_key_was_destroyed_are_compared_by_their_masks(
    keystore: MemoryKeyStore,
) -> None:
    before = CardVault(keystore).protect(PAN, "3012", "g-1")
    start_next_version(keystore, TOKEN_FAMILY)
    keystore.destroy_key(before.token_key_id)
    new = CardVault(keystore)
    assert new.protect(PAN, "3012", "g-2").is_same_as(before)
    assert not new.protect("6200000000000047", "3012", "g-3").is_same_as(before)


def test_a_card_has_tokens_of_older_keys_only_where_there_are_any(
    keystore: MemoryKeyStore,
) -> None:
    first = CardVault(keystore).protect(PAN, "3012", "g-1")
    assert first.older_tokens == ()
    assert b"older_tokens" not in msgspec.json.encode(first)
    start_next_version(keystore, TOKEN_FAMILY)
    start_next_version(keystore, TOKEN_FAMILY)
    third = CardVault(keystore).protect(PAN, "3012", "g-1")
    assert [name for name, _ in third.older_tokens] == ["card-token-2", "card-token-1"]
    assert third.lasting_token == first.token


def test_destroying_the_seal_key_erases_the_card(keystore: MemoryKeyStore) -> None:
    card = CardVault(keystore).protect(PAN, "3012", "g-1")
    start_next_version(keystore, SEAL_FAMILY)
    keystore.destroy_key(card.seal_key_id)
    with pytest.raises(SealBroken, match="no longer exists"):
        CardVault(keystore).reveal(card)


def test_a_revealed_card_hides_from_every_output(vault: CardVault) -> None:
    revealed = vault.reveal(vault.protect(PAN, "3012", "g-1"))
    assert PAN not in f"{revealed!r} {revealed}"
    assert len({revealed, PanAndExpiry(PAN, "3012")}) == 1
    for leak in (pickle.dumps, copy.copy, msgspec.json.encode):
        with pytest.raises(TypeError):
            leak(revealed)
    assert "hidden" in repr(vault)
