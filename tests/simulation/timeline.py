"""A readable story of one payment, told by all witnesses in the order in which it happened."""

from itertools import groupby

import msgspec

from tests.simulation.checkers.trails import CLAIMED
from tests.simulation.checkers.violation import Violation
from tests.simulation.memory import PaymentMemory

LINES_MAX = 120
CLAIMED_TAG = CLAIMED.encode()
AROUND_MS = 2_000  # how long before and after a payment faults are shown
# faults that strike one terminal, one answer or one message: told only of those concerned
_OF_ONE = frozenset(
    {
        "adrift",
        "black-line",
        "commit-unknown",
        "conflict-storm",
        "copies",
        "frame-lost",
        "issuer-lies",
        "power-cut",
        "reply-lost",
        "reversal-first",
    }
)
_SHOWN = ("response_code", "reason", "cause", "kind", "attempt", "upstream_stan", "upstream")


class Story:
    """Lines with their tickets, put in order in the end."""

    def __init__(self, simulation, violation: Violation) -> None:
        self._simulation = simulation
        self._rrns = {violation.rrn} - {""}
        self._keys = {violation.key} - {""}
        self._lines: list[tuple[int, int, str]] = []
        self._partitions: set[int] = set()
        self._whom: set[str] = set()

    def tell(self) -> list[str]:
        self._find_names()
        for terminal in self._simulation.terminals:
            for payment in terminal.payments:
                if payment.key in self._keys or payment.reversal_key in self._keys:
                    self._tell_terminal(terminal.name, payment)
        self._tell_inbound()
        self._tell_journal()
        self._tell_issuers()
        self._tell_around()
        self._lines.sort()
        told = [(at_ms, text) for _, at_ms, text in self._lines]
        lines = []
        for (at_ms, text), alike in groupby(told):
            count = len(list(alike))
            lines.append(f"{at_ms:>9} ms  {text}{f', {count} times' if count > 1 else ''}")
        return lines[:LINES_MAX]

    def _add(self, ticket: int, at_ms: int, text: str) -> None:
        self._lines.append((ticket, at_ms, text))

    def _find_names(self) -> None:
        """Find the keys of an RRN, the RRNs of a key and the key of its reversal."""
        for key in list(self._keys):
            if key.endswith("|reversal"):
                self._keys.add(key.replace("|reversal", "|payment"))
        for terminal in self._simulation.terminals:
            for payment in terminal.payments:
                told = {told.rrn for told in payment.told} - {""}
                if payment.key in self._keys or told & self._rrns:
                    self._keys.add(payment.key)
                    self._rrns |= told
                    if payment.reversal_key:
                        self._keys.add(payment.reversal_key)

    def _tell_terminal(self, name: str, payment: PaymentMemory) -> None:
        self._whom.add(name)
        shown = f"{payment.kind.name} {payment.amount_minor} stan {payment.stan}"
        course = f", course {payment.course}" if payment.course else ""
        self._add(0, payment.began_ms, f"{name} begins {shown}{course}")
        for ticket, at_ms, mti, amount in payment.sent:
            self._add(ticket, at_ms, f"{name} sends {mti} amount {amount}")
        for told in payment.told:
            heeded = "" if told.is_heeded else " (not waited for)"
            text = f"{name} hears {told.code} to its {told.message_class}, rrn {told.rrn}{heeded}"
            self._add(told.ticket, told.at_ms, text)
        self._add(
            1 << 60, self._simulation.scheduler.now, f"{name} believes {payment.belief.value}"
        )

    def _tell_inbound(self) -> None:
        names = [key.rsplit("|", 1)[0].split("|") for key in self._keys]
        needles = [(f'"stan":"{n[-1]}"'.encode(), n[2].encode()) for n in names if len(n) > 4]
        for (log, index), partition in self._simulation.log.partitions.items():
            if log != "inbound":
                continue
            for offset, landed in enumerate(partition.records):
                if any(s in landed.value and t in landed.value for s, t in needles):
                    self._partitions.add(index)
                    mti = msgspec.json.decode(landed.value)["mti"]
                    text = f"inbound[{index}] {offset}: {mti} from {landed.writer}"
                    self._add(landed.ticket, landed.landed_ms, text)

    def _tell_journal(self) -> None:
        needles = [name.encode() for name in (*self._rrns, *self._keys)]
        for (log, index), partition in self._simulation.log.partitions.items():
            if log != "journal":
                continue
            claim_id = None
            for offset, landed in enumerate(partition.records):
                if landed is None:
                    continue
                is_ours = any(needle in landed.value for needle in needles)
                if not is_ours and CLAIMED_TAG not in landed.value:
                    continue
                record = msgspec.json.decode(landed.value)
                is_claim = record["events"][0]["type"] == CLAIMED
                claim_id = record["claim_id"] if is_claim else claim_id
                is_void = record["claim_id"] != claim_id
                if is_ours:
                    self._partitions.add(index)
                if is_ours:
                    void = " VOID" if is_void else ""
                    said = ", ".join(_show_event(event) for event in record["events"])
                    text = f"journal[{index}] {offset}{void} {landed.writer}: {said}"
                    self._add(landed.ticket, landed.landed_ms, text)

    def _tell_issuers(self) -> None:
        witness = self._simulation.witness
        for seen in witness.sent:
            if seen.rrn in self._rrns:
                text = f"{seen.handler} sends {seen.mti} {seen.rrn} stan {seen.stan} on {seen.link}"
                self._add(seen.ticket, seen.at_ms, text)
        for seen in witness.ledger:
            line = seen.line
            if line.rrn in self._rrns:
                text = f"issuer-{seen.issuer} books {line.op} {line.outcome} {line.response_code}"
                self._add(seen.ticket, seen.at_ms, f"{text} rrn {line.rrn} {line.amount_minor}")

    def _tell_around(self) -> None:
        """Tell of faults and owners while the payment was under way."""
        times = [at_ms for ticket, at_ms, _ in self._lines if ticket < 1 << 60]
        if not times:
            return
        first, last = min(times) - AROUND_MS, max(times) + AROUND_MS
        for strike in self._simulation.witness.strikes:
            is_near = first <= strike.at_ms <= last
            if is_near and (strike.kind not in _OF_ONE or strike.whom in self._whom):
                self._add(strike.ticket, strike.at_ms, f"-- {strike.kind}: {strike.whom}")
        for ticket, at_ms, index, handler, claim_id in self._simulation.served:
            if index in self._partitions and first <= at_ms <= last:
                self._add(ticket, at_ms, f"{handler} serves partition {index}, claim {claim_id}")


def _show_event(event: dict) -> str:
    holder = {**event, **event.get("answer", {})}
    shown = " ".join(f"{name}={holder[name]}" for name in _SHOWN if holder.get(name))
    name = event["type"].removesuffix(".v1")
    return f"{name} {shown}".strip()


def tell_story(simulation, violation: Violation) -> list[str]:
    return Story(simulation, violation).tell()
