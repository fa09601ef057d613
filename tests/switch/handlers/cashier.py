"""A cashier's terminal of a partition's tests: it asks, repeats, takes back, and quotes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from switch.codec import Message
    from switch.domain.payment.payment import Payment

    from .conftest import World

# MTI, DE 3, DE 25, DE 60.1 (docs/iso8583.md 2)
KINDS = {
    "inquiry": ("0200", "310000", "00", "01"),
    "sale": ("0200", "000000", "00", "22"),
    "instalment": ("0200", "000000", "64", "22"),
    "void": ("0200", "200000", "00", "23"),
    "refund": ("0220", "200000", "00", "25"),
    "pre-auth": ("0100", "030000", "06", "10"),
    "pre-auth void": ("0100", "200000", "06", "11"),
    "completion": ("0200", "000000", "06", "20"),
    "completion void": ("0200", "200000", "06", "21"),
    "completion advice": ("0220", "000000", "06", "24"),
    "offline": ("0220", "000000", "00", "30"),
    "adjustment": ("0220", "000000", "00", "34"),
}
AUTHORIZATION = "AUTH01"


class Asked(NamedTuple):
    """Something that a terminal sent, to be repeated, taken back or quoted."""

    inbound_id: str
    mti: str
    fields: dict[str, str]
    rrn: str

    @property
    def stan(self) -> str:
        return self.fields["stan"]


class Till:
    """A cashier's terminal: asks, repeats, takes back, and quotes what it asked before."""

    def __init__(self, world: World, make_message: Callable[..., Message], terminal_id: str):
        self._world = world
        self._make_message = make_message
        self._terminal_id = terminal_id
        self._stan = 0
        self.batch = "000001"

    def ask(
        self,
        kind: str = "sale",
        amount: int = 100,
        *,
        of: Asked | None = None,
        acknowledged: bool = True,
        **changes: str,
    ) -> Asked:
        """Ask for a transaction under the next trace number; `of` is the original to be quoted."""
        mti, code, condition, kind_code = KINDS[kind]
        self._stan += 1
        fields = {
            "processing_code": code,
            "pos_condition_code": condition,
            "amount_transaction": "" if kind == "inquiry" else f"{amount:012d}",
            "stan": f"{self._stan:06d}",
            "terminal_id": self._terminal_id,
            "batch_data": f"{kind_code}{self.batch}00050",
            **(self._quote(kind, of) if of else {}),
            **changes,
        }
        return self._send(changes.get("mti", mti), fields, acknowledged=acknowledged)

    def _quote(self, kind: str, of: Asked) -> dict[str, str]:
        """Quote a hold by authorization and date, anything else by RRN, batch and trace number."""
        payment = self._world.book.find_payment(of.rrn)
        answer = payment.answer if payment else None
        code = answer.authorization_id if answer else ""
        if kind in {"pre-auth void", "completion", "completion advice"}:
            return {"authorization_id": code or AUTHORIZATION, "original_transaction": "0" * 16}
        batch = of.fields["batch_data"][2:8]
        date = "0000" if kind == "refund" else ""
        return {"rrn": of.rrn, "original_transaction": f"{batch}{of.stan}{date}"}

    def _send(self, mti: str, fields: dict[str, str], *, acknowledged: bool = True) -> Asked:
        fields = {name: value for name, value in fields.items() if name != "mti"}
        message = self._make_message(mti, **fields)
        inbound_id = self._world.send(message, acknowledged=acknowledged)
        return Asked(inbound_id, mti, fields, self._world.rrn_of(inbound_id))

    def repeat(self, asked: Asked, *, mti: str = "", **changes: str) -> Asked:
        """Send the same again, as a repeat (origin digit 1) unless told otherwise."""
        return self._send(mti or f"{asked.mti[:3]}1", {**asked.fields, **changes})

    def take_back(self, asked: Asked, *, mti: str = "0400", **changes: str) -> Asked:
        """Send the 0400: as its original, without the card's secrets."""
        return self._send(mti, {**asked.fields, **changes})

    def get(self, kind: str = "sale", amount: int = 100, **changes: object) -> Asked:
        """Ask, and let the issuer approve."""
        asked = self.ask(kind, amount, **changes)  # type: ignore[arg-type]
        code = AUTHORIZATION if kind == "pre-auth" else ""
        self._world.answer_of_issuer(asked.rrn, "00", authorization_id=code)
        return asked

    # -- looking --------------------------------------------------------------------------------

    def told(self, asked: Asked) -> str:
        """Say what the terminal was told: the response codes of all answers, joined."""
        return ",".join(self._world.answers(asked.inbound_id))

    def why(self, asked: Asked) -> str:
        """Say the reason of the last answer, as the receipt names it; empty if there was none."""
        if not self.told(asked):
            return ""
        return self._world.remark(asked.inbound_id).partition(":")[0]

    def payment(self, asked: Asked) -> Payment:
        payment = self._world.book.find_payment(asked.rrn)
        assert payment is not None
        return payment
