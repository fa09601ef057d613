"""The event loop and the limits of the process that runs it."""

import asyncio
import contextlib
import gc
import resource
import sys
from collections.abc import Coroutine, Iterator
from typing import Any, Final, TypeVar

T = TypeVar("T")
# What a payment leaves behind is freed by its reference count; only errors and tasks make cycles.
# So the collector looks rarely, and at the oldest objects (the remembered payments) hardly ever.
# But not at too much at a time, for everybody waits: 10,000 new objects take 2 to 5 ms.
GC_THRESHOLDS: Final = (10_000, 20, 100)


def run_loop(main: Coroutine[Any, Any, T], *, uvloop: bool) -> T:
    """Run `main` to its end on a new loop: uvloop's, or asyncio's own to debug."""
    with asyncio.Runner(loop_factory=_uvloop_factory() if uvloop else None) as runner:
        return runner.run(main)


@contextlib.contextmanager
def settle_garbage() -> Iterator[None]:
    """
    Build up long-lived state without the garbage collector, then leave that state out of its sight.

    With a million remembered events one full collection is a pause that terminals would feel.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        gc.enable()


def _uvloop_factory() -> Any:  # noqa: ANN401 - uvloop is optional at run time
    try:
        import uvloop  # noqa: PLC0415 - as above
    except ImportError:
        return None
    return uvloop.new_event_loop


def count_open_files_max() -> int:
    """Return how many files and sockets this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def raise_open_files(wanted: int) -> int:
    """Raise the soft limit of open files to `wanted` or the hard limit; return what holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        return target
    return soft
