"""The demo world: what `switch up --demo` loads into its registry, the same on every machine."""

import importlib.resources


def demo_registry_document() -> bytes:
    """Return the registry file of the demo world (TOML; test keys and public test cards only)."""
    return importlib.resources.files("switch.demo").joinpath("world.toml").read_bytes()
