"""How a POS speaks: one profile a dialect."""

from typing import Final

import msgspec

from switch.codec import Dialect, load_dialect
from switch.codec.framing import Prefix


class PosProfile(msgspec.Struct, frozen=True, kw_only=True):
    """
    What differs between the terminals of two dialects.

    A terminal with `has_batch` names its payments by batch and trace number and reverses under the
    payment's own; one without dates them, and reverses under a trace number of its own with DE 90.
    """

    name: str
    prefix: Prefix
    has_transport: bool
    has_batch: bool

    @property
    def dialect(self) -> Dialect:
        """The message format."""
        return load_dialect(self.name)


PROFILES: Final = {
    profile.name: profile
    for profile in (
        PosProfile(name="unionpay-pos", prefix="binary-2", has_transport=True, has_batch=True),
        PosProfile(name="iso1987-ascii", prefix="binary-2", has_transport=False, has_batch=False),
    )
}
