"""Made-up histories: what a judge is shown to see whether it notices what is wrong with them."""

import json

from tests.faults.kafka.checker import Evidence, judge
from tests.faults.kafka.memory import Exchange
from tests.faults.kafka.raw_topics import RawRecord

MERCHANT, TERMINAL = "898110154115000", "90000000"
T0 = 1_800_000_000_000


TILL = {"acquirer": "00000001", "merchant_id": MERCHANT, "terminal_id": TERMINAL}


def key_of(stan):
    return f"00000001|{MERCHANT}|{TERMINAL}|000001|{stan}|payment"


class Run:
    """A hand-made run of one partition; what a test leaves out or adds is what is wrong with it."""

    def __init__(self):
        self.journal, self.inbound, self.registry = [], [], []
        self.ledger, self.exchanges = [], []
        self.claim_id = ""
        self.registry_append("r1", claimed("r1"))
        self.merchant("activated")
        self.claim("c1")

    # -- the logs

    def registry_append(self, claim_id, *events):
        content = {"claim_id": claim_id, "at": T0, "actor": "x", "events": events}
        value = json.dumps(content).encode()
        self.registry.append(RawRecord("registry", 0, len(self.registry), value))

    def merchant(self, status):
        merchant = {"merchant_id": MERCHANT, "status": status}
        self.registry_append("r1", {"type": "merchant-changed.v1", "merchant": merchant})

    def append(self, *events, claim_id=None, inbound_offset=-1, at=None, **more):
        content = {
            "claim_id": self.claim_id if claim_id is None else claim_id,
            "at": T0 + len(self.journal) if at is None else at,
            "watermark": len(self.inbound),
            "registry_position": len(self.registry),
            "events": events,
            "inbound_offset": inbound_offset,
            "inbound_id": f"01.a-{inbound_offset}" if inbound_offset >= 0 else "",
        }
        value = json.dumps(content | more).encode()
        self.journal.append(RawRecord("journal", 3, len(self.journal), value))

    def claim(self, claim_id):
        self.claim_id = claim_id
        self.append(claimed(claim_id))

    def receive(self, stan="000001", mti="0200"):
        fields = {"terminal_id": TERMINAL, "stan": stan}
        offset = len(self.inbound)
        content = {"inbound_id": f"01.a-{offset}", "mti": mti, "fields": fields}
        self.inbound.append(RawRecord("inbound", 3, offset, json.dumps(content).encode()))
        return offset

    # -- one payment

    def route(self, stan="000001", minor=100, *, transaction="sale", original="", **more):
        """Take a request and route it; return its RRN."""
        rrn = f"03{len(self.journal):010d}"
        self.append(
            requested(rrn, stan, minor, transaction),
            {"type": "payment-routed.v1", "rrn": rrn, "original_rrn": original},
            inbound_offset=self.receive(stan),
            **more,
        )
        return rrn

    def accept(self, stan, minor, transaction="offline-advice", **more):
        """Take an advice: approved, and to be told to the issuer; return its RRN."""
        rrn = f"03{len(self.journal):010d}"
        accepted = {"type": "advice-accepted.v1", "rrn": rrn, "terms": {"link": "l"}}
        self.append(
            requested(rrn, stan, minor, transaction),
            accepted | {"answer": answer("00")} | more,
            inbound_offset=self.receive(stan, "0220"),
        )
        return rrn

    def confirm(self, rrn):
        self.append({"type": "advice-confirmed.v1", "rrn": rrn, "at": T0})

    def close_batch(self, totals, claimed=None, *, is_balanced=True, batch="000001"):
        """Take a terminal's 0500; return the RRN of the answer."""
        rrn = f"03{len(self.journal):010d}"
        closed = {"type": "batch-closed.v1", "batch": batch, "answer": {"rrn": rrn}} | TILL
        claimed = totals if claimed is None else claimed
        said = {"totals": totals._asdict(), "claimed": claimed._asdict()}
        self.append(closed | said | {"is_balanced": is_balanced})
        return rrn

    def debit(self, rrn, minor=100, **more):
        line = {"op": "debit", "outcome": "approved", "amount_minor": minor, "moved_minor": minor}
        self.tell_issuer(line | {"rrn": rrn} | more)

    def reverse(self, rrn, minor=100, **more):
        line = {"op": "reversal", "outcome": "reversed", "amount_minor": minor}
        self.tell_issuer(line | {"rrn": rrn, "moved_minor": -minor} | more)

    def tell_issuer(self, line):
        known = {"at": T0 + 1_000 + len(self.ledger), "stan": "000009", "terminal_id": TERMINAL}
        self.ledger.append(known | line)

    def approve(self, rrn, **more):
        self.append(
            {
                "type": "payment-approved.v1",
                "rrn": rrn,
                "answer": answer("00"),
                "line": {"gross_minor": 100, "fee_minor": 1},
            },
            **more,
        )

    def decline(self, rrn, code="51"):
        self.append({"type": "payment-declined.v1", "rrn": rrn, "answer": answer(code)})

    def lose(self, rrn):
        self.append({"type": "outcome-unknown.v1", "rrn": rrn, "answer": answer("98")})

    def finish(self, rrn):
        self.append({"type": "payment-reversed.v1", "rrn": rrn})

    def open_case(self, rrn, kind="reversal-not-found"):
        event = {"type": "case-opened.v1", "case_id": f"{kind}-{rrn}", "kind": kind, "rrn": rrn}
        self.append(event)

    def tell(self, stan="000001", code="00", rrn="", kind="sale", minor=100, **more):
        authorization_id = "123456" if code == "00" else ""
        self.exchanges.append(
            Exchange(
                kind=kind,
                acquirer="00000001",
                merchant_id=MERCHANT,
                terminal_id=TERMINAL,
                batch="000001",
                stan=stan,
                amount_minor=minor,
                sent_at=T0,
                ended_at=T0 + 9,
                code=code,
                rrn=rrn,
                **{"authorization_id": authorization_id, "mac_valid": True} | more,
            )
        )

    def change(self, transaction, op, original, stan, minor, *, moved=0, held=0, **more):
        """A whole void, refund, hold or completion: routed, carried out, approved; its RRN."""
        rrn = self.route(stan, minor, transaction=transaction, original=original)
        quoted = {"original": "quoted", "original_rrn": original} if original else {}
        moves = {"op": op, "moved_minor": moved, "held_minor": held}
        self.debit(rrn, minor, **moves | quoted | more)
        self.approve(rrn)
        return rrn

    def sale(self, stan="000001", minor=100):
        """A whole sale: received, routed, debited, approved, told."""
        rrn = self.route(stan, minor)
        self.debit(rrn, minor)
        self.approve(rrn)
        self.tell(stan, rrn=rrn, minor=minor)
        return rrn

    def judge(self):
        records = [*self.journal, *self.inbound, *self.registry]
        return judge(Evidence(records, self.ledger, self.exchanges))

    def kinds(self):
        return {(found.invariant, found.kind) for found in self.judge()}


def claimed(claim_id):
    return {"type": "partition-claimed.v1", "owner": "h", "claim_id": claim_id, "at": T0}


def requested(rrn, stan, minor, transaction="sale"):
    request = {
        "idempotency_key": key_of(stan),
        "transaction": transaction,
        "merchant_id": MERCHANT,
        "terminal_id": TERMINAL,
        "stan": stan,
        "amount": {"minor": minor, "currency": "156"},
    }
    return {"type": "payment-requested.v1", "rrn": rrn, "request": request, "at": T0}


def answer(code):
    return {"response_code": code, "at": T0} | (
        {"authorization_id": "123456"} if code == "00" else {}
    )
