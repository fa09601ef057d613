import tomllib
from pathlib import Path

from switch.demo.refusals import PROVOCATIONS
from switch.demo.world import demo_registry_document
from switch.demo.world_doc import command_of, write_document

DOCUMENT = Path(__file__).parents[3] / "docs" / "demo-world.md"


def test_the_page_is_what_the_data_says():
    assert DOCUMENT.read_text("utf-8") == write_document(), (
        "run: python -m switch.demo.world_doc > docs/demo-world.md"
    )


def test_the_page_has_every_command():
    text = write_document()
    assert all(f"`{command_of(each.arguments)}`" in text for each in PROVOCATIONS)
    assert all(f"`{command_of(one)}`" in text for each in PROVOCATIONS for one in each.before)


def test_the_page_has_every_key_once_and_every_merchant_and_terminal():
    text = write_document()
    tables = tomllib.loads(demo_registry_document().decode())
    for terminal in tables["terminals"]:
        assert f"| {terminal['acquirer']} | {terminal['terminal_id']} |" in text
        assert all(
            f"`{terminal[name]}`" in text for name in ("mak", "tmk", "pik") if name in terminal
        )
    assert all(f"| {merchant['merchant_id']} |" in text for merchant in tables["merchants"])
    assert all(f"`{each['api_key']}`" in text for each in tables["clients"] + tables["operators"])
    assert text.count("`1C1C1C1C1C1C1C1C`") == 1
