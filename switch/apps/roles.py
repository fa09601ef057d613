"""The roles of the switch: all in one process (`switch up`), or one each (docs/operations.md)."""

import enum
from typing import Final


class Role(enum.StrEnum):
    """What a process does."""

    GATEWAY = "gateway"
    HANDLER = "handler"
    REGISTRAR = "registrar"
    PROJECTOR = "projector"


# One event loop holds these; the projector is a process of its own in `switch up`, too.
INSTANCE_ROLES: Final = frozenset({Role.GATEWAY, Role.HANDLER, Role.REGISTRAR})

# What each is for, and so where to ask for what a process does not do.
DUTIES: Final = {
    Role.GATEWAY: "takes payments, and commands about cases",
    Role.HANDLER: "decides payments",
    Role.REGISTRAR: "takes changes of the registry",
    Role.PROJECTOR: "keeps the tables that payments and cases are looked up in",
}
