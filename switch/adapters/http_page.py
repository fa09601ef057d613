"""The start page: what is running, the last payments, where to go on."""

from importlib.resources import files
from typing import Final

import jinja2
import msgspec

_TEMPLATE: Final = "start_page.html"


class PageFact(msgspec.Struct, frozen=True):
    """One line of the page's list: a name, what there is to say, whether it is well."""

    name: str
    text: str
    is_well: bool = True


class PagePayment(msgspec.Struct, frozen=True, kw_only=True):
    """One payment as the page shows it; the card is masked."""

    at: str
    rrn: str
    merchant_id: str
    amount: str
    card: str
    status: str
    reason: str = ""


class PageContent(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is on the page."""

    version: str
    is_ready: bool
    facts: tuple[PageFact, ...]
    payments: tuple[PagePayment, ...]
    payments_note: str = ""  # why there are none, empty if that is plain


def render_page(content: PageContent) -> str:
    """Write the page; everything in it is escaped."""
    return _get_template().render(content=content)


def _get_template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = (files("switch.adapters") / "templates" / _TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text)
