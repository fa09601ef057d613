"""How many entries everything has that a machine holds on to: each dict, list and set, by name."""

from collections import deque
from collections.abc import Mapping, Sized
from typing import Final

_CONTAINERS: Final = (dict, list, set, frozenset, deque)
_OURS: Final = ("switch.handlers.", "switch.security.")


def take_census(root: object, *, apart: tuple[object, ...] = ()) -> dict[str, int]:
    """
    Count the entries of every container that an object of ours holds, from `root` on.

    A name is class and attribute; containers of the same name are added up. A container in a
    container is counted as `name[]`. What is in `apart` (a registry, say) is not entered.
    """
    counts: dict[str, int] = {}
    seen = {id(one) for one in apart}
    to_visit = [root]
    while to_visit:
        visited = to_visit.pop()
        if id(visited) in seen:
            continue
        seen.add(id(visited))
        for attribute, value in _attributes_of(visited).items():
            name = f"{type(visited).__name__}.{attribute.lstrip('_')}"
            if isinstance(value, _CONTAINERS):
                if id(value) not in seen:
                    seen.add(id(value))
                    _count(name, value, counts, to_visit)
            elif _is_ours(value):
                to_visit.append(value)
    return counts


def _count(name: str, held: Sized, counts: dict[str, int], to_visit: list[object]) -> None:
    counts[name] = counts.get(name, 0) + len(held)
    if not held:
        return
    values = list(held.values()) if isinstance(held, Mapping) else list(held)  # type: ignore[call-overload]
    first = values[0]
    if isinstance(first, _CONTAINERS):
        counts[f"{name}[]"] = counts.get(f"{name}[]", 0) + sum(map(len, values))
    elif _is_ours(first):
        to_visit.extend(values)


def _attributes_of(visited: object) -> dict[str, object]:
    return getattr(visited, "__dict__", {})


def _is_ours(value: object) -> bool:
    return type(value).__module__.startswith(_OURS) and hasattr(value, "__dict__")
