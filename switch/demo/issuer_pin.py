"""The demo issuer's PIN: one for every card, checked under the zone key of the demo world."""

import tomllib
from collections.abc import Mapping
from typing import Final

from switch.codec import Value
from switch.demo.world import demo_registry_document
from switch.security.pin_block import PinFormat, PinKey, holds_pin

DEMO_ISSUER: Final = "demo-issuer"
DEMO_PIN: Final = "123456"  # a test value for everyone to see, as all keys of the demo world
WRONG_PIN: Final = "55"
FORMAT_ERROR: Final = "30"


class PinCheck:
    """Compares DE 52 with the one PIN that all cards have."""

    def __init__(
        self, zpk: bytes, *, pin: str = DEMO_PIN, pin_format: PinFormat = PinFormat.ISO_0
    ) -> None:
        """
        Prepare the zone PIN key (DES, 8, 16 or 24 bytes).

        Raises:
            ValueError: the key has another length.
        """
        self._key = PinKey("des", zpk)
        self._pin = pin
        self._pin_format = pin_format

    def refuse(self, fields: Mapping[str, Value]) -> str:
        """Say why not, as DE 39; empty: the PIN is right, or none was sent."""
        block = fields.get("pin_block")
        if block is None:
            return ""
        if not isinstance(block, bytes) or len(block) != self._key.block_bytes:
            return FORMAT_ERROR
        is_right = holds_pin(
            block,
            self._pin,
            key=self._key,
            pin_format=self._pin_format,
            pan=str(fields.get("pan", "")),
        )
        return "" if is_right else WRONG_PIN


def make_demo_pin_check() -> PinCheck | None:
    """Take key and form from the demo world; None if its issuer has no zone PIN key."""
    world = tomllib.loads(demo_registry_document().decode())
    for issuer in world["issuers"]:
        if issuer["issuer_id"] == DEMO_ISSUER and issuer.get("zpk"):
            pin_format = PinFormat(issuer.get("pin_format", PinFormat.ISO_0.value))
            return PinCheck(bytes.fromhex(issuer["zpk"]), pin_format=pin_format)
    return None
