"""What a partition asks its shell to do; nothing here is done before it may be."""

import msgspec

from switch.domain.upstream import UpstreamRequest
from switch.eventlog.inbound import Reply
from switch.eventlog.journal import JournalRecord


class AppendRecord(msgspec.Struct, frozen=True, gc=False):
    """Append to the journal; answer with `on_appended`, in order, once the append check passed."""

    record: JournalRecord


class SendUpstream(msgspec.Struct, frozen=True, gc=False):
    """
    Give a message to its issuer link.

    `send_before_boot_ms` is the end of a debit's send window: it must be looked at directly before
    the socket write; too late means `on_not_sent`. A reversal has none (0).
    """

    request: UpstreamRequest
    send_before_boot_ms: int


class SendReply(msgspec.Struct, frozen=True, gc=False):
    """Put an answer on its way back to the gateway that holds the connection."""

    reply: Reply


class ReadOriginal(msgspec.Struct, frozen=True, gc=False):
    """
    Read a payment back from this partition's journal; answer with `on_original`, whatever is found.

    From the offset that the RRN names on, until it is known how the payment was answered
    (`recall.Recollection` folds what is read).
    """

    rrn: str


Action = AppendRecord | SendUpstream | SendReply | ReadOriginal
