from pathlib import Path

from switch.demo.refusals import PROVOCATIONS
from switch.demo.world_doc import command_of, write_document

DOCUMENT = Path(__file__).parents[3] / "docs" / "demo-world.md"


def test_the_page_is_what_the_data_says():
    assert DOCUMENT.read_text("utf-8") == write_document(), (
        "run: python -m switch.demo.world_doc > docs/demo-world.md"
    )


def test_the_page_has_every_command():
    text = write_document()
    assert all(f"`{command_of(each.arguments)}`" in text for each in PROVOCATIONS)
