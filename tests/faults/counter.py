"""Shops whose cashiers do everything that a terminal can, on the real `switch.terminal.pos.Pos`."""

import threading

from loadtest.told import Told
from loadtest.world import make_terminals, write_registry_file
from switch.adapters.clock import read_clock
from switch.cli.pos_session import PosFile, PosSession
from switch.demo.tour_instance import wait_for
from switch.domain.transactions import Side
from switch.security.sealing import Sealer
from switch.terminal.operations import PAYMENT_ROWS, Operation
from switch.terminal.orders import PaymentOrder
from switch.terminal.outcome import OutcomeKind
from switch.terminal.pos import Pos, PosLimits
from switch.terminal.state import PosState
from tests.faults.stand import DEADLINE_S, now_ms, until
from tests.faults.till import ANSWER_WITHIN_S

TMK = "0123456789ABCDEFFEDCBA9876543210"
PIK = "3132333435363738393A3B3C3D3E3F40"
TRANSACTIONS = (
    "sale",
    "instalment-sale",
    "sale-void",
    "refund",
    "balance-inquiry",
    "pre-authorization",
    "pre-authorization-void",
    "completion",
    "completion-void",
    "completion-advice",
    "offline-advice",
    "adjustment-advice",
)
ENDED = {OutcomeKind.APPROVED, OutcomeKind.DECLINED, OutcomeKind.UNBALANCED}
NOBODY_THERE = {OutcomeKind.NOT_SENT, OutcomeKind.REVERSAL_OWED, OutcomeKind.REPEAT_OWED}
# an amount that means nothing to the issuer ends in 00; these let a request vanish, or come late
LOST_ENDINGS = (98, 97, 88, 87)


def write_shops(specs):
    """Write the load world's registry file for terminals that may do everything and sign on."""
    everything = ", ".join(f'"{name}"' for name in TRANSACTIONS)
    file = write_registry_file(specs).replace('["sale"]', f"[{everything}]")
    more = f'signed_on = true\nkey_scheme = "003"\ntmk = "{TMK}"\npik = "{PIK}"\n'
    return file.replace("signed_on = true\n", more)


def open_shops(stand, count):
    """Register so many terminals, four to a merchant."""
    specs = make_terminals(count)
    file = write_shops(specs).encode()
    until(lambda: stand.ask_operator("POST", "/v1/registry/load", file)[0] == 200, "terminals")
    return specs


class Counter:
    """One terminal with its cashier; its memory is in a file of its own, sealed."""

    def __init__(self, stand, spec, folder, *, answer_wait_ms=int(ANSWER_WITHIN_S * 1_000)):
        self.stand = stand
        self.spec = spec
        self.told = []
        self.lines = []  # what happened, for whoever reads why it failed
        state = PosState(
            profile="unionpay-pos",
            terminal_id=spec.terminal_id,
            merchant_id=spec.merchant_id,
            mak=bytes.fromhex(spec.mak),
            tmk=bytes.fromhex(TMK),
            pik=bytes.fromhex(PIK),
        )
        self.pos = Pos(state, PosLimits(answer_wait_ms=answer_wait_ms))
        self.file = PosFile(folder, spec.terminal_id, Sealer(bytes(32)))
        folder.mkdir(exist_ok=True)

    @property
    def state(self):
        return self.pos.state

    # -- one operation each

    def order(self, operation, amount_minor=0, kept=None, **more):
        """Carry out one payment operation to its end."""
        order = PaymentOrder(
            operation=operation,
            pan=kept.pan if kept else self.spec.pan,
            amount_minor=amount_minor,
            expiration_date="3012",
            original=kept.original if kept else None,
            **more,
        )
        return self._run(self.pos.start_payment(order, read_clock()))

    def manage(self, operation, **more):
        return self._run(self.pos.start_management(operation, read_clock(), **more))

    def repeat(self, *, as_repeat=False):
        batch = self.state.last.batch
        actions = self.pos.start_repeat(read_clock(), as_repeat=as_repeat)
        return self._run(actions, "repeat", batch)

    def reverse(self, reason="98"):
        batch = self.state.last.batch
        return self._run(self.pos.start_reversal(reason, read_clock()), "reversal", batch)

    def _run(self, actions, kind="sale", batch=""):
        batch = batch or self.state.batch
        session = PosSession(self.pos, self.file, self.stand.address("unionpay-pos"))
        outcome = session.run(actions)
        self.lines.append(
            f"{outcome.operation.value} {outcome.stan} {outcome.kind.value}"
            f" {outcome.response_code} {outcome.reason} {outcome.trouble} {outcome.earlier}"
        )
        self._tell(outcome, kind, batch)
        return outcome

    def _tell(self, outcome, kind, batch):
        if outcome.operation not in PAYMENT_ROWS and outcome.about is None:
            return
        if outcome.kind is OutcomeKind.REVERSED:
            kind = "reversal"
        elif outcome.kind not in ENDED:
            return
        about = outcome.about or outcome.operation
        if about is Operation.SCRIPT_NOTICE:
            return
        self.told.append(
            Told(
                kind=kind,
                acquirer=self.spec.acquirer,
                merchant_id=self.spec.merchant_id,
                terminal_id=self.spec.terminal_id,
                batch=batch,  # a closed one's, if its last payment is repeated
                stan=outcome.stan,
                amount_minor=outcome.amount_minor,
                at=now_ms(),
                response_code="00" if kind == "reversal" else outcome.response_code,
                rrn=outcome.rrn,
                authorization_id=outcome.authorization_id,
                mac_valid=None,
            )
        )

    # -- a day

    def draw_amount(self, noise):
        """Draw an amount; some are orders to the issuer."""
        return draw_amount(noise)

    def find(self, noise, *operations):
        """Take one of the payments that this terminal remembers."""
        kept = [one for one in self.state.payments if one.operation in operations]
        return noise.choice(kept) if kept else None

    def do_anything(self, noise, others=()):
        """Let the cashier do one thing, sensible or not; return its outcome."""
        state = self.state
        if state.closing is not None:
            return self.manage(Operation.SETTLEMENT)
        draw = noise.randrange(100)
        for upto, act in DUTIES:
            if draw < upto and (outcome := act(self, noise, others)) is not None:
                return outcome
        return self.order(Operation.SALE, self.draw_amount(noise))

    def settle_all_owed(self):
        """Go on until nothing is owed and the batch is closed; return the last outcome."""

        def is_settled():
            outcome = self.manage(Operation.SETTLEMENT)
            return outcome if outcome.kind in ENDED and outcome.settlement else None

        return until(is_settled, lambda: f"settled: {self.lines[-6:]}")


def draw_amount(noise):
    ending = noise.choice(LOST_ENDINGS) if noise.random() < 1 / 25 else 0
    return noise.randrange(2, 500) * 100 + ending


def _void(counter, noise, _others):
    kept = counter.find(noise, Operation.SALE)
    return kept and counter.order(Operation.VOID, kept.amount_minor, kept)


def _refund(counter, noise, others):
    shop = noise.choice([counter, *others])
    kept = shop.find(noise, Operation.SALE, Operation.COMPLETION, Operation.OFFLINE)
    if kept is None:
        return None
    part = max(100, kept.amount_minor // noise.choice((1, 2, 3)) // 100 * 100)
    return counter.order(Operation.REFUND, part, kept)


def _pre_authorize(counter, noise, _others):
    return counter.order(Operation.PRE_AUTHORIZATION, counter.draw_amount(noise))


def _complete(counter, noise, _others):
    kept = counter.find(noise, Operation.PRE_AUTHORIZATION)
    asked = noise.choice((Operation.COMPLETION, Operation.COMPLETION_ADVICE))
    return kept and counter.order(asked, kept.amount_minor // 100 * 100, kept)


def _void_authorization(counter, noise, _others):
    kept = counter.find(noise, Operation.PRE_AUTHORIZATION)
    return kept and counter.order(Operation.PRE_AUTHORIZATION_VOID, kept.amount_minor, kept)


def _void_completion(counter, noise, _others):
    kept = counter.find(noise, Operation.COMPLETION)
    return kept and counter.order(Operation.COMPLETION_VOID, kept.amount_minor, kept)


def _offline(counter, noise, _others):
    return counter.order(Operation.OFFLINE, counter.draw_amount(noise) // 100 * 100)


def _adjust(counter, noise, _others):
    kept = counter.find(noise, Operation.SALE, Operation.OFFLINE)
    return kept and counter.order(Operation.TIP, kept.amount_minor // 100 * 100 + 500, kept)


def _reverse_last(counter, _noise, _others):
    last = counter.state.last
    usable = last is not None and PAYMENT_ROWS[last.operation].is_reversed
    return counter.reverse() if usable else None


def _repeat_last(counter, noise, _others):
    last = counter.state.last
    return None if last is None else counter.repeat(as_repeat=noise.random() < 1 / 2)


def _sign_on(counter, _noise, _others):
    return counter.manage(Operation.SIGN_ON)


def _settle(counter, noise, _others):
    return counter.manage(Operation.SETTLEMENT, wants_upload=noise.random() < 1 / 2)


DUTIES = (
    (14, _void),
    (28, _refund),
    (36, _pre_authorize),
    (48, _complete),
    (51, _void_authorization),
    (56, _void_completion),
    (62, _offline),
    (66, _adjust),
    (71, _reverse_last),
    (76, _repeat_last),
    (78, _sign_on),
    (81, _settle),
)


class Days:
    """Several counters at work at once, until somebody stops them or nobody answers."""

    def __init__(self, stand, noise, folder, count):
        self.counters = [Counter(stand, spec, folder / "pos") for spec in open_shops(stand, count)]
        self.noises = [type(noise)(noise.random()) for _ in self.counters]
        self.is_over = threading.Event()
        self.threads = []
        self.errors = []

    def start(self):
        self.is_over.clear()
        self.threads = [
            threading.Thread(target=self._work, args=pair)
            for pair in zip(self.counters, self.noises, strict=True)
        ]
        for thread in self.threads:
            thread.start()

    def _work(self, counter, noise):
        others = [one for one in self.counters if one.spec.merchant_id == counter.spec.merchant_id]
        try:
            while not self.is_over.is_set():
                outcome = counter.do_anything(noise, others)
                if outcome.kind in NOBODY_THERE or outcome.kind is OutcomeKind.BLOCKED:
                    return
        except Exception as error:  # noqa: BLE001 - whoever stops the days tells of it
            self.errors.append(error)

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(DEADLINE_S)
        assert not self.errors, self.errors
        assert not any(thread.is_alive() for thread in self.threads)

    def done_count(self):
        return sum(len(counter.lines) for counter in self.counters)

    def wait_done(self, more):
        """Wait until so many more operations are over, or nobody works any more."""
        target = self.done_count() + more
        wait_for(
            lambda: self.done_count() >= target or not any(t.is_alive() for t in self.threads), 10
        )

    def told(self):
        return [line for counter in self.counters for line in counter.told]

    def close_all(self):
        """Let each terminal pay what it owes and close its batch, until both sides agree."""
        for counter in self.counters:
            counter.settle_all_owed()

    def pans(self):
        return [counter.spec.pan for counter in self.counters]


def remembered(counter):
    """What a terminal thinks that stands: its approved payments, not those it took back."""
    return [kept for kept in counter.state.payments if not kept.is_reversed]


def side_of(kept):
    return {Side.DEBIT: 1, Side.CREDIT: -1}.get(PAYMENT_ROWS[kept.operation].side, 0)
