"""Where an event stands in the journal, as every projection records it."""

from typing import NamedTuple


class Place(NamedTuple):
    """
    The address of one record and what the void rule says about it.

    `epoch` is the offset of the claim in force; a void record belongs to another one.
    """

    partition: int
    offset: int
    epoch: int = -1
    is_void: bool = False
