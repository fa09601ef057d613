from pathlib import Path

from switch.apps.settings_document import write_document
from switch.apps.settings_sources import list_fields

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_in_docs_is_the_settings_themselves() -> None:
    assert PAGE.read_text(encoding="utf-8") == write_document(), (
        "run `switch config document > docs/configuration.md`"
    )


def test_every_setting_is_on_the_page() -> None:
    page = write_document()
    for field in list_fields():
        assert f"`{field.name.partition('.')[2]}`" in page
