from pathlib import Path

from switch.registrar.document import TABLES, StandInEntry
from switch.registrar.document_doc import write_document

DOCUMENT = Path(__file__).parents[3] / "docs" / "registry-file.md"


def test_the_page_is_what_the_reader_takes():
    assert DOCUMENT.read_text("utf-8") == write_document(), (
        "run: python -m switch.registrar.document_doc > docs/registry-file.md"
    )


def test_every_table_and_every_field_is_explained():
    text = write_document()
    for kind, (entry_type, _) in TABLES.items():
        assert f"`[[{kind}]]`" in text
        assert all(f"| `{name}` |" in text for name in entry_type.__struct_fields__)
    assert all(f"| `{name}` |" in text for name in StandInEntry.__struct_fields__)
    assert "|  |\n" not in text
