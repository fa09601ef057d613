import asyncio
import gc
import resource
import sys

import pytest

from switch.adapters.loop import (
    GC_THRESHOLDS,
    count_open_files_max,
    raise_open_files,
    run_loop,
    settle_garbage,
)


@pytest.mark.parametrize(("uvloop", "module"), [(True, "uvloop"), (False, "asyncio")])
def test_the_loop_is_the_one_asked_for(uvloop: bool, module: str) -> None:  # noqa: FBT001 - a table
    async def name_loop() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run_loop(name_loop(), uvloop=uvloop).startswith(module)


def test_open_files_are_raised_no_further_than_allowed() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raise_open_files(1) == before[0]
    assert raise_open_files(before[1] + 1) == before[1]
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == before[1]


def test_the_files_that_may_be_open_are_those_of_the_soft_limit() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert count_open_files_max() == (sys.maxsize if soft == resource.RLIM_INFINITY else soft)


def test_state_that_was_built_up_is_left_out_of_the_collectors_sight() -> None:
    before = gc.get_threshold()
    gc.unfreeze()
    try:
        with settle_garbage():
            assert not gc.isenabled()
            kept = [[n] for n in range(1_000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= len(kept)
        assert gc.get_threshold() == GC_THRESHOLDS
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
