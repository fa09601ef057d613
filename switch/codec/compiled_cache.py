"""A bounded cache of compiled functions that a flood of odd bitmaps can neither fill nor heat."""

from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
F = TypeVar("F")

# Compiling costs about as much as this many messages on the table-driven path, so that waiting for
# as many sightings at most doubles what an attacker can make the codec spend (loadtest/bench_codec
# reports both costs).
SIGHTINGS_BEFORE_COMPILING: Final = 24
GENERATION_COUNT_MAX: Final = 128  # a dialect in real use has some dozens of bitmaps
SIGHTED_COUNT_MAX: Final = 1024


class CompiledCache(Generic[K, F]):
    """
    Functions by key, in two generations: at most twice `GENERATION_COUNT_MAX` of them.

    `find_hot` is the caller's fast path. What it does not find is asked for by `recall`,
    which brings it back from the older generation; and each success without a function
    is told to `note_sighting`, which compiles at the right time. When the younger generation is
    full the older one is dropped: what is in use has been recalled by then.
    """

    def __init__(self, compile_function: Callable[[K], F]) -> None:
        self._compile_function = compile_function
        self._hot: dict[K, F] = {}
        self.find_hot = self._hot.get  # bound once: this is looked up for every message
        self._old: dict[K, F] = {}
        self._sightings: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self._hot) + len(self._old)

    def recall(self, key: K) -> F | None:
        """Find a function that `find_hot` does not find any more."""
        function = self._old.pop(key, None)
        if function is not None:
            self._keep(key, function)
        return function

    def note_sighting(self, key: K) -> None:
        """Count a message that needed no compiled function; compile when it comes often."""
        count = self._sightings.pop(key, 0) + 1
        if count >= SIGHTINGS_BEFORE_COMPILING:
            self._keep(key, self._compile_function(key))
            return
        if len(self._sightings) >= SIGHTED_COUNT_MAX:
            self._sightings.clear()
        self._sightings[key] = count

    def _keep(self, key: K, function: F) -> None:
        if len(self._hot) >= GENERATION_COUNT_MAX:
            self._old = dict(self._hot)
            self._hot.clear()
        self._hot[key] = function
