"""Events of cases after their opening (CaseOpened is one of the payment's own events)."""

import enum

from switch.domain.payment.events import Event


class Resolution(enum.Enum):
    """How a person settles a case; the value is the word of the API and the command line."""

    NO_ACTION = "no-action"  # nothing more is to be done about it
    RETURNED = "returned"  # the cardholder has the money: whoever gave it back
    STANDS = "stands"  # the cardholder was debited, and that is right
    RETURN_MONEY = "return-money"  # the switch is to give it back


class CaseNoted(Event, frozen=True, kw_only=True, tag="case-noted.v1"):
    """Decision: an operator adds to the history of a case."""

    case_id: str
    by: str
    at: int
    text: str
    command_id: str
    rrn: str = ""


class CaseAssigned(Event, frozen=True, kw_only=True, tag="case-assigned.v1"):
    """Decision: `owner` sees to the case from now on."""

    case_id: str
    by: str
    at: int
    owner: str
    command_id: str
    text: str = ""
    rrn: str = ""


class CaseResolutionProposed(Event, frozen=True, kw_only=True, tag="case-resolution-proposed.v1"):
    """Decision: a resolution waits for a second person; nothing else has changed."""

    case_id: str
    by: str
    at: int
    resolution: Resolution
    text: str
    command_id: str
    rrn: str = ""


class CaseResolved(Event, frozen=True, kw_only=True, tag="case-resolved.v1"):
    """
    Decision: the case is settled; what it does to a payment follows in the same record.

    `by` and `text` are the person's who decided it, `confirmed_by` and `confirmed_text` the second
    one's, where one was needed; the command is the latter's then.
    """

    case_id: str
    by: str
    at: int
    resolution: Resolution
    text: str
    command_id: str
    confirmed_by: str = ""
    confirmed_text: str = ""
    rrn: str = ""


class CaseClosed(Event, frozen=True, kw_only=True, tag="case-closed.v1"):
    """Decision: what the case waited for has come; `cause` says how it ended."""

    case_id: str
    at: int
    cause: str
    rrn: str = ""


CaseEvent = CaseNoted | CaseAssigned | CaseResolutionProposed | CaseResolved | CaseClosed
