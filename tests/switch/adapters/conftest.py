import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    """Run the tests of modules that say ON_BOTH_LOOPS on uvloop as well."""
    del config
    module = item.getparent(pytest.Module)
    on_both = module is not None and getattr(module.obj, "ON_BOTH_LOOPS", False)
    plain: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    return plain | {"uvloop": uvloop.new_event_loop} if on_both else plain
