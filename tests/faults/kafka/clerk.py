"""
A terminal of the crowd that does everything: voids, refunds, holds, advices, sign-ons, closings.

What it says and what it owes is decided by `switch.terminal.pos.Pos`, which runs at a counter, too;
what it sent and was told is written down here, message by message, as the bytes went.
"""

import asyncio
from typing import NamedTuple

from loadtest.frames import DIALECT, TRANSPORT_BYTES, read_answer
from switch.adapters.clock import read_clock
from switch.codec import load_dialect
from switch.codec.mti import response_mti
from switch.terminal.actions import Finish, SendFrame
from switch.terminal.messages import PosVoice
from switch.terminal.operations import Operation
from switch.terminal.orders import PaymentOrder
from switch.terminal.outcome import OutcomeKind
from switch.terminal.pos import Pos, PosLimits
from switch.terminal.state import PosState
from tests.faults.counter import DUTIES, LOST_ENDINGS, PIK, TMK
from tests.faults.kafka.memory import TRANSACTIONS, Exchange, Totals
from tests.faults.stand import now_ms

UNIONPAY = load_dialect(DIALECT)
LENGTH_BYTES = 2
RETRY_S = 0.3
CONNECT_S = 1.0
LOST_SHARE = 0.04
RECENT_COUNT = 8  # of what is older most is voided or completed
APPROVED = "00"
SIGN_ON_NEEDED = "77"
WITH_MAC = {*TRANSACTIONS, "repeat", "reversal", "upload", "upload-end"}
UPLOAD_LIST = "201"
FLAG_AND_TOTALS = ("debit_amount", "debit_count", "credit_amount", "credit_count")


def _inquire(clerk, _noise, _others):
    return clerk.order(Operation.BALANCE)


def _sign_off(clerk, _noise, _others):
    return clerk.manage(Operation.SIGN_OFF)


CLERK_DUTIES = (*DUTIES, (83, _inquire), (85, _sign_off))


class _Sent(NamedTuple):
    """A message that nobody has answered yet."""

    kind: str
    operation: str
    mti: str
    batch: str
    stan: str
    amount_minor: int
    sent_at: int


class Clerk:
    """One terminal that does one thing at a time and goes home when it owes nothing."""

    def __init__(self, crowd, spec, noise):
        self.crowd = crowd
        self.spec = spec
        self.state = PosState(
            profile=DIALECT,
            terminal_id=spec.terminal_id,
            merchant_id=spec.merchant_id,
            batch=spec.batch,
            mac_algorithm=spec.mac_algorithm,
            mak=bytes.fromhex(spec.mak),
            tmk=bytes.fromhex(TMK),
            pik=bytes.fromhex(PIK),
        )
        self.pos = Pos(self.state, PosLimits(answer_wait_ms=int(crowd.patience_s * 1_000)))
        self._voice = PosVoice(self.state)  # a second pair of ears: what it hears is written down
        self._noise = noise
        self._line = None
        self._gateway = noise.randrange(1_000)
        self._sent = None
        self._outcome = None

    # -- a day

    async def pay(self):
        """Do one thing, sensible or not, and see through whatever comes to be owed."""
        outcome = await self._choose()
        if outcome.response_code == SIGN_ON_NEEDED or outcome.operation is Operation.SIGN_OFF:
            await self._sign_on()
        await self._settle_up()

    async def close_batch(self):
        """Close the batch, whatever becomes of it."""
        await self.manage(Operation.SETTLEMENT)
        await self._settle_up()

    def _choose(self):
        noise = self._noise
        draw = 100 if self.crowd.is_plain else noise.randrange(100)
        others = [one for one in self.crowd.clerks if one.spec.merchant_id == self.spec.merchant_id]
        for upto, act in CLERK_DUTIES:
            if draw < upto and (doing := act(self, noise, others)) is not None:
                return doing
        return self.order(Operation.SALE, self.draw_amount(noise))

    async def _sign_on(self):
        while not self.crowd.is_closed:
            outcome = await self.manage(Operation.SIGN_ON)
            assert outcome.kind is not OutcomeKind.KEYS_WRONG, outcome
            if outcome.kind in {OutcomeKind.APPROVED, OutcomeKind.DECLINED}:
                return
            await asyncio.sleep(RETRY_S)

    async def _settle_up(self):
        """Go on until nothing is owed."""
        while not self.crowd.is_closed and (doing := self._find_owed()) is not None:
            await doing
            if self._owes:
                await asyncio.sleep(RETRY_S)

    @property
    def _owes(self):
        state = self.state
        return state.owes_reversal or state.owes_repeat or state.closing is not None

    def _find_owed(self):
        state = self.state
        if state.owes_reversal:
            return self.reverse(state.last.owed_reason)
        if state.owes_repeat:
            return self.repeat(as_repeat=state.last.sent_count > 0)
        return self.manage(Operation.SETTLEMENT) if state.closing is not None else None

    def draw_amount(self, noise):
        """Draw one that nobody had before; some are orders to the issuer."""
        is_odd = not self.crowd.is_plain and noise.random() < LOST_SHARE
        return self.crowd.next_amount() * 100 + (noise.choice(LOST_ENDINGS) if is_odd else 0)

    def find(self, noise, *operations):
        """Take one of the payments that this terminal remembers."""
        kept = [one for one in self.state.payments if one.operation in operations]
        return noise.choice(kept[-RECENT_COUNT:]) if kept else None

    # -- one operation each

    def order(self, operation, amount_minor=0, kept=None):
        """Carry out one payment operation to its end."""
        order = PaymentOrder(
            operation=operation,
            pan=kept.pan if kept else self.spec.pan,
            amount_minor=amount_minor,
            expiration_date=self.spec.expiration_date,
            original=kept.original if kept else None,
        )
        return self._run(self.pos.start_payment(order, read_clock()))

    def manage(self, operation, **more):
        """Carry out something about the terminal itself."""
        return self._run(self.pos.start_management(operation, read_clock(), **more))

    def repeat(self, *, as_repeat=False):
        """Send the last payment again."""
        return self._run(self.pos.start_repeat(read_clock(), as_repeat=as_repeat))

    def reverse(self, reason="98"):
        """Take the last payment back."""
        return self._run(self.pos.start_reversal(reason, read_clock()))

    # -- the line

    async def _run(self, actions):
        self._outcome = None
        await self._carry_out(actions)
        while self._outcome is None:
            await self._receive()
        return self._outcome

    async def _carry_out(self, actions):
        for action in actions:
            if isinstance(action, SendFrame):
                await self._send(action.frame)
            elif isinstance(action, Finish):
                self._outcome = action.outcome

    async def _send(self, frame):
        if not await self._connect():
            await asyncio.sleep(RETRY_S)  # a dead line is not dialled in a busy loop
            await self._carry_out(self.pos.not_connected(read_clock()))
            return
        self._sent = self._describe(frame)
        self._line[1].write(frame)

    async def _connect(self):
        if self._line is None:
            addresses = self.crowd.find_addresses()
            self._gateway += 1
            address = addresses[self._gateway % len(addresses)]
            try:
                async with asyncio.timeout(CONNECT_S):
                    self._line = await asyncio.open_connection(*address)
            except (OSError, TimeoutError):
                return False
            self.pos.connection_made()
        return True

    async def _receive(self):
        due = self.pos.wake_at()
        try:
            if self._line is None:
                raise ConnectionError
            left_ms = due - read_clock().boot_ms if due is not None else 0
            async with asyncio.timeout(max(left_ms, 1) / 1_000):
                size = await self._line[0].readexactly(LENGTH_BYTES)
                frame = await self._line[0].readexactly(int.from_bytes(size, "big"))
        except TimeoutError:
            self._note_silence()
            await self._carry_out(self.pos.timer(read_clock()))
        except (OSError, asyncio.IncompleteReadError):
            self._note_silence()
            await asyncio.sleep(RETRY_S)
            await self._carry_out(self.pos.connection_lost(read_clock()))
        else:
            self._note_answer(frame)
            await self._carry_out(self.pos.data_received(size + frame, read_clock()))

    def hang_up(self):
        if self._line is not None:
            self._line[1].transport.abort()
            self._line = None

    # -- what is remembered

    def _describe(self, frame):
        message = UNIONPAY.decode(frame[LENGTH_BYTES + TRANSPORT_BYTES :])
        fields, last = message.fields, self.state.last
        kind = operation = _name_management(message)
        batch = self.state.batch
        if not kind:
            operation, batch = last.operation.value, last.batch
            kind = "reversal" if message.mti[1] == "4" else operation
            if kind != "reversal" and (message.mti[3] == "1" or last.sent_count > 1):
                kind = "repeat"
        return _Sent(
            kind,
            operation,
            message.mti,
            batch,
            str(fields.get("stan", "")),
            int(str(fields.get("amount_transaction", "0"))),
            now_ms(),
        )

    def _note_silence(self):
        """No answer comes over this line any more."""
        self.hang_up()
        if self._sent is not None:
            self._tell()

    def _note_answer(self, frame):
        heard, sent = read_answer(UNIONPAY, frame), self._sent
        if heard is None or sent is None:
            return
        if (heard.mti, heard.stan) == (response_mti(sent.mti), sent.stan):
            self._voice.take_key(self.state.mak)
            self._tell(heard, self._voice.read_answer(frame))

    def _tell(self, heard=None, read=None):
        sent, self._sent = self._sent, None
        code = heard.response_code if heard else ""
        mac_valid = None
        # what a gateway refuses by itself has no MAC: it has not the keys of a sign-on. Nobody
        # believes that; of an approval it must not be
        if read is not None and (read.has_mac or (code == APPROVED and sent.kind in WITH_MAC)):
            mac_valid = read.is_proven and read.has_mac
        flag, totals = _read_totals(read) if sent.kind == "settlement" and read else ("", None)
        exchange = Exchange(
            kind=sent.kind,
            acquirer=self.spec.acquirer,
            merchant_id=self.spec.merchant_id,
            terminal_id=self.spec.terminal_id,
            batch=sent.batch,
            stan=sent.stan,
            amount_minor=sent.amount_minor,
            sent_at=sent.sent_at,
            ended_at=now_ms(),
            code=code,
            rrn=heard.rrn if heard else "",
            authorization_id=heard.authorization_id.strip() if heard else "",
            reason=heard.private_63[3:].partition(":")[0].strip() if heard else "",
            mac_valid=mac_valid,
            operation=sent.operation,
            totals=totals,
            balance_flag=flag,
        )
        self.crowd.exchanges.append(exchange)


def _name_management(message):
    """Say what of a terminal's own business a message is; empty: it is about a card."""
    if message.mti[1] == "8":
        return "sign-on" if message.mti == "0800" else "sign-off"
    if message.mti[1] == "5":
        return "settlement"
    if message.mti[1] == "3":
        parts = UNIONPAY.split("batch_data", str(message.fields["batch_data"]))
        return "upload" if parts["network_code"] == UPLOAD_LIST else "upload-end"
    return ""


def _read_totals(read):
    """Read what the switch counted, and what it thinks of the terminal's totals."""
    text = str(read.message.fields.get("additional_data_private", ""))
    if not text:
        return "", None
    parts = UNIONPAY.split("additional_data_private", text)
    return parts["balance_flag"], Totals(*(int(parts[name]) for name in FLAG_AND_TOTALS))
