"""An operator's command about a case, on its way to the partition of that case."""

import msgspec

from switch.domain.identifiers import make_direct_key
from switch.gateway.normalise import CardNumber

CHANNEL = "operator"


class OperatorOrder(msgspec.Struct, frozen=True, kw_only=True):
    """
    What an operator, whose key was checked, wants of a case of one partition.

    `command` is `open`, `note`, `assign` or `resolve`; `command_id` is the same whenever it is
    asked again. What an order does not need stays empty. `rrn`, merchant and amount are those of
    the payment about which a claim is to be opened.
    """

    partition: int
    command: str
    command_id: str
    by: str
    case_id: str = ""
    text: str = ""
    owner: str = ""
    resolution: str = ""
    rrn: str = ""
    acquirer: str = ""
    merchant_id: str = ""
    terminal_id: str = ""
    amount_minor: int | None = None
    currency: str = ""

    operation = "case"  # no new payment
    channel = CHANNEL
    status_url = ""  # it is asked again; there is nothing to be looked up

    @property
    def partition_key(self) -> str:
        """Where the case is; its merchant may be unknown."""
        return make_direct_key(self.partition)

    def fields(self) -> dict[str, str]:
        """Name the parts as RequestReceived.fields holds them."""
        fields = {
            name: value
            for name, value in msgspec.structs.asdict(self).items()
            if isinstance(value, str) and value
        }
        fields["operation"] = self.operation
        if self.amount_minor is None:
            fields.pop("currency", None)
        else:
            fields["amount_minor"] = str(self.amount_minor)
        return fields

    def card_number(self) -> CardNumber | None:
        """Return None: a command has no card."""
        return None
