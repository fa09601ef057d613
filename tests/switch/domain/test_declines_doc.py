from pathlib import Path

from switch.domain.declines_doc import write_document
from switch.domain.reasons import Reason

DOCUMENT = Path(__file__).parents[3] / "docs" / "declines.md"


def test_the_document_is_what_the_catalogue_says() -> None:
    assert DOCUMENT.read_text("utf-8") == write_document(), (
        "run: python -m switch.domain.declines_doc > docs/declines.md"
    )


def test_every_reason_has_its_row_in_the_order_of_the_checks() -> None:
    text = write_document()
    positions = [text.index(f"| `{reason.value}` |") for reason in Reason]
    assert positions == sorted(positions)
