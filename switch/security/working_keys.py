"""Working keys: what a sign-on hands to a terminal under its master key (DE 62)."""

import enum
from collections.abc import Callable
from hmac import compare_digest
from typing import ClassVar, Final, NamedTuple, NoReturn

from switch.security import des, sm4
from switch.security.ciphers import CIPHERS, KCV_BYTES, CipherName, key_check_value


class KeyScheme(enum.Enum):
    """Which working keys a terminal asks for: DE 60.3 of its sign-on."""

    SINGLE = "001"
    DOUBLE = "003"
    DOUBLE_WITH_TRACK = "004"
    SM4 = "006"

    @property
    def cipher(self) -> CipherName:
        """The cipher of the working keys and of the master key that wraps them."""
        return "sm4" if self is KeyScheme.SM4 else "des"

    @property
    def takes_double_mak(self) -> bool:
        """Whether DE 62 has room for a MAC key of 16 bytes."""
        return _LAYOUTS[self][1].place_bytes == 2 * des.BLOCK_BYTES


class _Place(NamedTuple):
    """Where DE 62 has a key; one that is shorter than its place is followed by zero bytes."""

    name: str
    key_bytes: int
    place_bytes: int

    def is_filled_by(self, key: bytes) -> bool:
        return len(key) in (self.key_bytes, self.place_bytes)


_MAK: Final = _Place("mak", 8, 16)  # as UnionPay has it: single-length even where the PIK is double
_LAYOUTS: Final[dict[KeyScheme, tuple[_Place, ...]]] = {
    KeyScheme.SINGLE: (_Place("pik", 8, 8), _Place("mak", 8, 8)),
    KeyScheme.DOUBLE: (_Place("pik", 16, 16), _MAK),
    KeyScheme.DOUBLE_WITH_TRACK: (_Place("pik", 16, 16), _MAK, _Place("tdk", 16, 16)),
    KeyScheme.SM4: (
        _Place("pik", sm4.KEY_BYTES, sm4.KEY_BYTES),
        _Place("mak", sm4.KEY_BYTES, sm4.KEY_BYTES),
    ),
}
assert set(_LAYOUTS) == set(KeyScheme)


class KeyCheckFailed(Exception):
    """A DE 62 does not hold the keys it should: another master key, altered, or cut off."""

    retryable: ClassVar[bool] = False


class WorkingKeys:
    """PIN key, MAC key and, with scheme 004, track key, in clear: they hide in every output."""

    __slots__ = ("mak", "pik", "tdk")

    def __init__(self, pik: bytes, mak: bytes, tdk: bytes = b"") -> None:
        """Hold the keys."""
        self.pik = pik
        self.mak = mak
        self.tdk = tdk

    def __repr__(self) -> str:
        return "WorkingKeys(<hidden>)"

    def __eq__(self, other: object) -> bool:
        """Tell in constant time whether all keys are the same."""
        return isinstance(other, WorkingKeys) and compare_digest(
            self.pik, other.pik
        ) & compare_digest(self.mak, other.mak) & compare_digest(self.tdk, other.tdk)

    __hash__ = None  # type: ignore[assignment] # these are no keys of a mapping

    def __reduce__(self) -> NoReturn:
        raise TypeError("working keys are not to be copied or written anywhere")


def generate_working_keys(
    scheme: KeyScheme, random_bytes: Callable[[int], bytes], *, has_double_mak: bool = False
) -> WorkingKeys:
    """
    Make new keys of the lengths that the scheme has; DES keys get odd parity.

    `has_double_mak` is for algorithms whose MAC key has two halves (X9.19).

    Raises:
        ValueError: a double MAC key where the scheme has no room for it.
    """
    if has_double_mak and not scheme.takes_double_mak:
        raise ValueError(f"sign-on {scheme.value} has no room for a MAC key of two halves")
    keys: dict[str, bytes] = {}
    for place in _LAYOUTS[scheme]:
        key = random_bytes(place.place_bytes if has_double_mak else place.key_bytes)
        keys[place.name] = des.set_odd_parity(key) if scheme.cipher == "des" else key
    return WorkingKeys(**keys)


def wrap_working_keys(keys: WorkingKeys, scheme: KeyScheme, tmk: bytes) -> bytes:
    """
    Write DE 62 of the sign-on answer: each key under the master key, then its check value.

    Raises:
        ValueError: keys or master key of lengths that the scheme does not have.
    """
    encrypt = CIPHERS[scheme.cipher].open_encryptor(tmk)
    layout = _LAYOUTS[scheme]
    if keys.tdk and layout[-1].name != "tdk":
        raise ValueError(f"sign-on {scheme.value} has no room for a tdk")
    wrapped = b""
    for place in layout:
        key: bytes = getattr(keys, place.name)
        if not place.is_filled_by(key):
            raise ValueError(f"the {place.name} of sign-on {scheme.value} has not {len(key)} bytes")
        wrapped += encrypt(key).ljust(place.place_bytes, b"\0")
        wrapped += key_check_value(key, scheme.cipher)
    return wrapped


def unwrap_working_keys(de62: bytes, scheme: KeyScheme, tmk: bytes) -> WorkingKeys:
    """
    Read DE 62 of a sign-on answer, as a terminal does, and check each key by its check value.

    Raises:
        KeyCheckFailed: another length than the scheme has, or a check value that does not fit.
        ValueError: a master key of a length that the scheme does not have.
    """
    decrypt = CIPHERS[scheme.cipher].open_decryptor(tmk)
    layout = _LAYOUTS[scheme]
    length = sum(place.place_bytes + KCV_BYTES for place in layout)
    if len(de62) != length:
        raise KeyCheckFailed(f"DE 62 of sign-on {scheme.value} has {length} bytes, not {len(de62)}")
    keys: dict[str, bytes] = {}
    start = 0
    for place in layout:
        middle, end = start + place.place_bytes, start + place.place_bytes + KCV_BYTES
        encrypted = de62[start:middle]
        if not any(encrypted[place.key_bytes :]):
            encrypted = encrypted[: place.key_bytes]
        key = decrypt(encrypted)
        if not compare_digest(key_check_value(key, scheme.cipher), de62[middle:end]):
            raise KeyCheckFailed(f"DE 62: the check value of the {place.name} does not fit")
        keys[place.name] = key
        start = end
    return WorkingKeys(**keys)
