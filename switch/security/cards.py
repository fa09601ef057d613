"""The card vault: the only place where a PAN becomes a Card, and a Card a PAN."""

import secrets
from collections.abc import Callable
from typing import Final, NoReturn

from switch.domain.card import Card, bin_of, mask_pan
from switch.security.keystore import KeyStore, list_versions
from switch.security.sealing import SealBroken, Sealer
from switch.security.tokens import CardTokenizer

TOKEN_FAMILY: Final = "card-token"  # noqa: S105 - the name of a key, not a key
SEAL_FAMILY: Final = "card-seal"


class PanAndExpiry:
    """A revealed card: for the one message that needs it. It hides in every kind of output."""

    __slots__ = ("expiration_date", "pan")

    def __init__(self, pan: str, expiration_date: str) -> None:
        """Hold a PAN and its DE 14 expiration_date (YYMM, empty if unknown)."""
        self.pan = pan
        self.expiration_date = expiration_date

    def __repr__(self) -> str:
        return "PanAndExpiry(<hidden>)"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, PanAndExpiry)
            and self.pan == other.pan
            and self.expiration_date == other.expiration_date
        )

    def __hash__(self) -> int:
        return hash((self.pan, self.expiration_date))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a revealed card is not to be copied or written anywhere")


class CardVault:
    """
    Tokens, masks and seals of cards under the newest keys of a key store.

    Other processes may rotate: a card sealed under a version made after this vault was opened is
    revealed all the same, the key is fetched when it is met.
    """

    def __init__(
        self, keystore: KeyStore, random_bytes: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        """
        Open the vault, making its first keys if there are none; `random_bytes` as `Sealer` has it.

        Raises:
            KeyStoreFault: the store cannot be used now.
        """
        self._keystore = keystore
        self._random_bytes = random_bytes
        tokens = list_versions(keystore, TOKEN_FAMILY)
        keys = {name: keystore.ensure_key(name, durable=True) for name in tokens}
        self._tokenizer = CardTokenizer(keys, tokens[0])
        seals = list_versions(keystore, SEAL_FAMILY)
        self._sealers = {
            name: Sealer(keystore.ensure_key(name, durable=True), random_bytes) for name in seals
        }
        self._seal_key_id = seals[0]
        self._sealer = self._sealers[self._seal_key_id]

    def __repr__(self) -> str:
        return f"CardVault({self._tokenizer.key_id!r}, {self._seal_key_id!r}, <hidden>)"

    def protect(self, pan: str, expiration_date: str, seal_id: str) -> Card:
        """
        Turn a PAN into what events and rows may hold.

        `expiration_date` is DE 14 (YYMM) or empty; `seal_id` is the id of the event that holds
        the card: the seal opens only together with it.
        """
        return Card(
            token=self._tokenizer.token_of(pan),
            token_key_id=self._tokenizer.key_id,
            masked_pan=mask_pan(pan),
            bin=bin_of(pan),
            sealed_pan=self._sealer.seal(f"{pan}={expiration_date}".encode(), seal_id),
            seal_key_id=self._seal_key_id,
            seal_id=seal_id,
            older_tokens=self._tokenizer.older_tokens_of(pan),
        )

    def reveal(self, card: Card) -> PanAndExpiry:
        """
        Open the seal of a card, for a message to an issuer.

        Raises:
            SealBroken: its key was destroyed, or the card was altered or moved.
            KeyStoreFault: the store cannot be used now.
        """
        sealer = self._sealers.get(card.seal_key_id) or self._fetch_sealer(card.seal_key_id)
        pan, _, expiration_date = sealer.open(card.sealed_pan, card.seal_id).decode().partition("=")
        return PanAndExpiry(pan, expiration_date)

    def token_of(self, pan: str) -> str:
        """Compute the token of a PAN under the newest key."""
        return self._tokenizer.token_of(pan)

    def _fetch_sealer(self, key_id: str) -> Sealer:
        key = self._keystore.find_key(key_id)
        if key is None:
            raise SealBroken(f"the key {key_id!r} that sealed this card no longer exists")
        sealer = self._sealers[key_id] = Sealer(key, self._random_bytes)
        return sealer
