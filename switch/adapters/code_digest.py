"""Which code it is that folds: so that nothing is taken over from another."""

import functools
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

FOLDING_ROOMS: Final = ("switch.domain", "switch.eventlog", "switch.handlers")


@functools.cache
def read_code_digest() -> str:
    """
    Return a SHA-256 (hex) over the sources of every room that a fold runs through.

    Over all of them: a version kept by hand is forgotten when it matters, and the worst that a
    digest does is to make a take-over read from the start once after an upgrade.

    Raises:
        OSError: the sources are not there to be read.
    """
    digest = hashlib.sha256()
    for room in FOLDING_ROOMS:
        for name, source in sorted(_list_sources(files(room), room)):
            digest.update(f"{name} {len(source)}\n".encode())
            digest.update(source)
    return digest.hexdigest()


def _list_sources(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    count = 0
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _list_sources(entry, f"{name}/{entry.name}")
        elif entry.name.endswith(".py"):
            count += 1
            yield f"{name}/{entry.name}", entry.read_bytes()
    if not count:
        raise FileNotFoundError(f"there are no sources of {name}")
