"""Writes docs/declines.md from the catalogue: `python -m switch.domain.declines_doc`."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from switch.domain.declines import CATALOGUE, Decline, IssuerCode
from switch.domain.reasons import Reason

_HEAD: Final = """# Decline catalogue

Made from `switch/domain/declines.toml` by `python -m switch.domain.declines_doc`; a test keeps it
true.

A decline tells whether money moved, who must act and what to do next. `class`: A success, B failed
and may be tried again, C failed, D somebody must act first, E system fault. `retry`: `never`;
`after-remedy` (the same sale again once what is named is repaired); `same-key` (only the very same
request again); `new-attempt` (as a new payment: this one debits nothing, or gives it back).

## Reasons of the switch

In the order of the checks: the first that holds is the one that is answered. On `unionpay-pos` and
`iso1987-ascii` the reason stands in DE 63, after three characters for the card organisation; over
HTTP it is `reason_code`.
"""
_ISSUER_HEAD: Final = """
## Codes of issuers

What an issuer answers in DE 39 is passed on, with these words. `outcome`: `unknown` means that
nobody knows whether the debit stands: it is reversed until the issuer confirms, and the terminal is
told 98. A code that is not listed is a decline.
"""
_WORDS_HEAD: Final = """
## Where the money is, and who acts

"""


def write_document() -> str:
    """Write the whole document, as docs/declines.md must read."""
    return "".join(
        (
            _HEAD,
            *_table(
                ("reason", "DE 39", "class", "money", "actor", "retry", "text", "what to do next"),
                (_reason_row(CATALOGUE.declines[reason]) for reason in Reason),
            ),
            _ISSUER_HEAD,
            *_table(
                ("DE 39", "class", "outcome", "actor", "retry", "text", "what to do next"),
                (_code_row(code) for code in CATALOGUE.issuer_codes.values()),
            ),
            _WORDS_HEAD,
            *_table(
                ("word", "zh", "en"),
                (
                    (f"`{word.value}`", words.zh, words.en)
                    for table in (CATALOGUE.money, CATALOGUE.actors)
                    for word, words in table.items()
                ),
            ),
        )
    )


def _reason_row(decline: Decline) -> tuple[str, ...]:
    return (
        f"`{decline.reason.value}`",
        decline.response_code,
        decline.code_class.value,
        decline.money_state.value,
        decline.actor.value,
        decline.retry.value,
        f"{decline.zh}<br>{decline.en}",
        f"{decline.next_zh}<br>{decline.next_en}",
    )


def _code_row(code: IssuerCode) -> tuple[str, ...]:
    return (
        code.code,
        code.code_class.value,
        code.outcome.value,
        code.actor.value,
        code.retry.value,
        f"{code.zh}<br>{code.en}",
        f"{code.next_zh}<br>{code.next_en}",
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "\n| " + " | ".join(head) + " |\n|" + "---|" * len(head) + "\n"
    for row in rows:
        yield "| " + " | ".join(row) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(write_document())
