"""The event loop and the limits of the process that runs it."""

import asyncio
import resource
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_loop(main: Coroutine[Any, Any, T], *, uvloop: bool) -> T:
    """Run `main` to its end on a new loop: uvloop's, or asyncio's own to debug."""
    with asyncio.Runner(loop_factory=_uvloop_factory() if uvloop else None) as runner:
        return runner.run(main)


def _uvloop_factory() -> Any:  # noqa: ANN401 - uvloop is optional at run time
    try:
        import uvloop  # noqa: PLC0415 - as above
    except ImportError:
        return None
    return uvloop.new_event_loop


def raise_open_files(wanted: int) -> int:
    """Raise the soft limit of open files to `wanted` or the hard limit; return what holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        return target
    return soft
