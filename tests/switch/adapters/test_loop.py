import asyncio
import resource

import pytest

from switch.adapters.loop import raise_open_files, run_loop


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
