"""A message between bytes and meaning: its type and its elements by standard name."""

from typing import TypeAlias

import msgspec

Value: TypeAlias = str | bytes


class Message(msgspec.Struct, frozen=True, gc=False):  # strings and bytes make no cycles
    """
    One ISO 8583 message; digits and text are str, binary elements (pin_block, mac...) bytes.

    Neither repr nor str shows any content: a message holds card data.
    """

    mti: str
    fields: dict[str, Value]

    def __repr__(self) -> str:
        """Name the elements, not their values."""
        return f"Message(mti={self.mti!r}, fields=<{', '.join(self.fields)}>)"

    __str__ = __repr__
