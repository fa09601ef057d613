from pathlib import Path

from switch.domain.cases.kinds import KINDS
from switch.domain.cases.kinds_doc import write_document

DOCUMENT = Path(__file__).parents[4] / "docs" / "cases.md"


def test_the_document_is_what_the_catalogue_says():
    assert DOCUMENT.read_text("utf-8") == write_document(), (
        "run: python -m switch.domain.cases.kinds_doc > docs/cases.md"
    )


def test_every_kind_has_its_section():
    text = write_document()
    assert all(f"## `{kind}`: " in text for kind in KINDS.kinds)
