"""What `--demo` does to a process that starts: its issuer link, and its registry where none is."""

from collections.abc import Callable
from typing import Final

import msgspec

from switch.apps.demo import DemoWorld
from switch.apps.instance import Instance
from switch.apps.settings import Settings

DEMO_ACTOR: Final = "demo"


def add_demo_link(settings: Settings, demo: DemoWorld | None, issuer: str) -> Settings:
    """Let the demo's link lead to the simulator at `issuer`, unless a setting says otherwise."""
    if demo is None:
        return settings
    links = {demo.link: issuer, **settings.issuer_link.links}
    issuer_link = msgspec.structs.replace(settings.issuer_link, links=links)
    return msgspec.structs.replace(settings, issuer_link=issuer_link)


async def load_demo(instance: Instance, demo: DemoWorld, say: Callable[[str], None]) -> None:
    """
    Load the demo world into an empty registry; of two that do it at once, one changes nothing.

    Raises:
        RegistrarUnavailable: the registry log cannot be written.
    """
    if instance.registrar is None or instance.follower.view.list_entities("merchants"):
        return
    result = await instance.registrar.load(demo.document, DEMO_ACTOR)
    say(f"demo world loaded: {result.change_count} registry events")
