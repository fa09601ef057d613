"""What each terminal was told: the client's own memory, kept for the audit."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

ToldKind = Literal[
    "sale",
    "repeat",
    "conflict",
    "reversal",
    # what only a versatile terminal sends, by the names of `switch.terminal.operations`
    "void",
    "refund",
    "pre-authorization",
    "pre-authorization-void",
    "completion",
    "completion-void",
    "completion-advice",
    "offline",
    "tip",
    "balance",
]


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One message of a terminal and what it heard; `response_code` is empty if it heard nothing.

    `conflict` is the key of a sale with another amount. `at` is when the answer came or the
    terminal gave up, epoch milliseconds. `mac_valid` is None where the MAC was not looked at.
    """

    kind: ToldKind
    acquirer: str
    merchant_id: str
    terminal_id: str
    batch: str
    stan: str
    amount_minor: int
    at: int
    response_code: str = ""
    rrn: str = ""
    authorization_id: str = ""
    mac_valid: bool | None = None

    @property
    def payment_key(self) -> str:
        """Return the idempotency key (docs/rules.md 1) of the payment that this is about."""
        parts = (self.acquirer, self.merchant_id, self.terminal_id, self.batch, self.stan)
        return "|".join((*parts, "payment"))


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Told)


def write_told(path: Path, lines: Iterable[Told]) -> None:
    """Write one JSON line for each message."""
    with path.open("wb") as file:
        file.writelines(_encoder.encode(line) + b"\n" for line in lines)


def read_told(path: Path) -> Iterator[Told]:
    """
    Read what `write_told` wrote.

    Raises:
        msgspec.DecodeError: a line is not what was written.
    """
    with path.open("rb") as file:
        for line in file:
            yield _decoder.decode(line)
