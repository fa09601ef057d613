"""
Terminals that pay at their own pace, whatever the switch does, and remember what they were told.

They behave as POS do: what got no answer is repeated or taken back, over another gateway if there
is one, until somebody answers; nothing else is begun before. Arrivals are an open loop: they are
drawn beforehand and do not wait for answers.
"""

import asyncio
import contextlib
import itertools
import random
import threading
from collections import Counter

from loadtest.frames import DIALECT, REVERSAL_NO_ANSWER, make_templates, read_answer, verify_answer
from switch.codec import load_dialect
from tests.faults.kafka.clerk import Clerk
from tests.faults.kafka.memory import NOT_HANDED_OVER, Exchange
from tests.faults.stand import now_ms, until

UNIONPAY = load_dialect(DIALECT)
PATIENCE_S = 4.5  # a little more than the deadline by which the switch answers or stays silent
RETRY_S = 0.3
CONNECT_S = 1.0
CLOSING_S = 60.0
WAITING_COUNT_MAX = 10_000
SETTLED_CODES = {"00", "25"}  # what ends an 0400
# share of payments that ask the issuer for something else by their last two digits
ODD_ENDINGS = ((0.03, 51), (0.05, 98), (0.06, 97))
REPEAT_SHARE, CONFLICT_SHARE, REVERSAL_SHARE = 0.10, 0.03, 0.05
ANSWER_MTI = {"reversal": "0410"}


class Cashier:
    """One terminal: at most one message outstanding, an own counter, a line to some gateway."""

    def __init__(self, crowd, spec, noise):
        self.crowd = crowd
        self.spec = spec
        self.templates = make_templates(UNIONPAY, spec)
        self.stan = 0
        self.last = None  # (stan, amount) of the newest payment
        self.paid = []  # (stan, amount) of every payment begun
        self._noise = noise
        self._line = None
        self._gateway = noise.randrange(1_000)

    # -- one payment to its end

    async def pay(self):
        """Begin one payment and see it through: answered, or repeated or taken back until it is."""
        self.stan += 1
        minor = self.crowd.draw_amount(self._noise)
        self.last = self.stan, minor
        self.paid.append(self.last)
        heard = await self.ask("sale", minor)
        if heard is None:
            await self._insist(minor)
            return
        draw = self._noise.random()
        if draw < REPEAT_SHARE:
            await self.ask("repeat", minor)
        elif self.crowd.is_plain:
            return
        elif heard.reason in NOT_HANDED_OVER:
            return  # its key is free: another amount under it would be no conflict
        elif draw < REPEAT_SHARE + CONFLICT_SHARE:
            # an amount of its own, so that a debit of it is known for what it is
            await self.ask("conflict", self.crowd.draw_amount(self._noise))
        elif draw < REPEAT_SHARE + CONFLICT_SHARE + REVERSAL_SHARE and heard.code == "00":
            await self._take_back(minor)

    async def _insist(self, minor):
        """After silence: half repeat first; whoever hears nothing again takes it back."""
        if self._noise.random() < 1 / 2:
            for _ in range(2):
                heard = await self.ask("repeat", minor)
                # "this repeat was not sent" says nothing of the first
                if heard is not None and heard.reason not in NOT_HANDED_OVER:
                    return
        await self._take_back(minor)

    async def _take_back(self, minor):
        while not self.crowd.is_closed:
            heard = await self.ask("reversal", minor)
            if heard is not None and heard.code in SETTLED_CODES:
                return
            await asyncio.sleep(RETRY_S)

    # -- one message

    async def ask(self, kind, minor, stan=0):
        """Send one message and wait for its answer; return the exchange, None for silence."""
        stan = stan or self.stan
        if kind == "reversal":
            frame = self.templates.reversal[REVERSAL_NO_ANSWER].build(minor, stan)
        else:
            frame = self.templates.sale.build(minor, stan)
        sent_at, heard, mac_valid = now_ms(), None, None
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(self.crowd.patience_s):
                await self._connect()
                self._line[1].write(frame)
                heard, mac_valid = await self._hear(ANSWER_MTI.get(kind, "0210"), stan)
        if heard is None:
            self.hang_up()
            if (left := sent_at + RETRY_S * 1_000 - now_ms()) > 0:
                await asyncio.sleep(left / 1_000)  # a dead line is not dialled in a busy loop
        exchange = self._tell(kind, minor, stan, sent_at, heard, mac_valid=mac_valid)
        return exchange if heard is not None else None

    async def ask_all(self, kind, pairs, times):
        """Send many messages at once over one line; take what is answered until all or silence."""
        sent_at, left = now_ms(), {stan: [minor] * times for stan, minor in pairs}
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            await self._connect()
            for stan, minor in pairs:
                self._line[1].write(self.templates.sale.build(minor, stan) * times)
            while any(left.values()):
                async with asyncio.timeout(self.crowd.patience_s):
                    heard, mac_valid = await self._hear("0210", 0)
                if minors := left.get(int(heard.stan or 0)):
                    stan = int(heard.stan)
                    self._tell(kind, minors.pop(), stan, sent_at, heard, mac_valid=mac_valid)
        self.hang_up()
        for stan, minors in left.items():
            for minor in minors:
                self._tell(kind, minor, stan, sent_at)

    async def _connect(self):
        if self._line is None:
            addresses = self.crowd.find_addresses()
            self._gateway += 1
            address = addresses[self._gateway % len(addresses)]
            async with asyncio.timeout(CONNECT_S):
                self._line = await asyncio.open_connection(*address)

    async def _hear(self, mti, stan):
        """Read until the answer to this message; what came too late for another is passed over."""
        reader = self._line[0]
        while True:
            size = int.from_bytes(await reader.readexactly(2), "big")
            frame = await reader.readexactly(size)
            heard = read_answer(UNIONPAY, frame)
            if heard and heard.mti == mti and (not stan or int(heard.stan or 0) == stan):
                return heard, verify_answer(self.templates, frame, UNIONPAY.mac_length)

    def hang_up(self):
        if self._line is not None:
            self._line[1].transport.abort()
            self._line = None

    def _tell(self, kind, minor, stan, sent_at, heard=None, *, mac_valid=None):
        spec = self.spec
        exchange = Exchange(
            kind=kind,
            acquirer=spec.acquirer,
            merchant_id=spec.merchant_id,
            terminal_id=spec.terminal_id,
            batch=spec.batch,
            stan=f"{stan:06d}",
            amount_minor=minor,
            sent_at=sent_at,
            ended_at=now_ms(),
            code=heard.response_code if heard else "",
            rrn=heard.rrn if heard else "",
            authorization_id=heard.authorization_id if heard else "",
            reason=heard.private_63[3:].partition(":")[0].strip() if heard else "",
            mac_valid=mac_valid,
        )
        self.crowd.exchanges.append(exchange)
        return exchange


class Crowd:
    """
    Many terminals in a thread of their own; `find_addresses` says where gateways listen now.

    The last `clerk_count` of them do everything that a terminal can, the others sell.
    """

    def __init__(
        self, find_addresses, specs, *, seed, rate_per_s, clerk_count=0, patience_s=PATIENCE_S
    ):
        self.find_addresses = find_addresses
        self.rate_per_s = rate_per_s
        self.patience_s = patience_s
        self.exchanges = []
        self.is_closed = False
        self.is_plain = False  # sales and repeats only, and amounts that the issuer approves
        self.skipped_count = 0  # arrivals that found no free terminal and no room to wait
        self._noise = random.Random(seed)
        self._amounts = itertools.count(2)
        makers = [Cashier] * (len(specs) - clerk_count) + [Clerk] * clerk_count
        terminals = [
            make(self, spec, random.Random(self._noise.random()))
            for make, spec in zip(makers, specs, strict=True)
        ]
        self.cashiers = terminals[: len(specs) - clerk_count]
        self.clerks = terminals[len(specs) - clerk_count :]
        self._is_open = threading.Event()  # arrivals come
        self._begun_at = []  # when they began to, epoch ms
        self._busy = set()
        self._free = terminals
        self._waiting = 0
        self.errors = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="crowd")

    def draw_amount(self, noise):
        """Return an amount that no payment had before; its ending is an order to the issuer."""
        draw = 1.0 if self.is_plain else noise.random()
        ending = next((cents for share, cents in ODD_ENDINGS if draw < share), 0)
        return self.next_amount() * 100 + ending

    def next_amount(self):
        """Return a whole amount, in major units, that nobody had before."""
        return next(self._amounts)

    # -- life

    def start(self):
        self._begun_at.append(now_ms())
        self._is_open.set()
        if not self._thread.is_alive():
            self._thread.start()

    def pause(self):
        """Begin no payment any more; those begun go on."""
        self._is_open.clear()

    def finish(self, within_s=45.0):
        """Begin nothing more and wait until every terminal has the answer that it insists on."""
        self.pause()
        until(
            lambda: not self._busy and not self._waiting,
            lambda: f"an answer for {len(self._busy)} terminals: {self._last_words()}",
            within_s,
        )
        assert not self.errors, self.errors

    def stop(self):
        """End, answered or not."""
        self.is_closed = True
        self.pause()
        if self._thread.is_alive():
            self._thread.join()

    def resend_all(self, times):
        """Let every terminal send each payment that it ever made so often again, at once."""

        async def resend():
            await asyncio.gather(*(c.ask_all("repeat", c.paid, times) for c in self.cashiers))

        asyncio.run_coroutine_threadsafe(resend(), self._loop).result(120)

    def close_batches(self):
        """Let every clerk close its batch and see it through; for who has nothing else to do."""
        assert not self._busy, "the crowd has not finished"

        async def close():
            await asyncio.gather(*(clerk.close_batch() for clerk in self.clerks))

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(CLOSING_S)

    def _last_words(self):
        names = {cashier.spec.terminal_id for cashier in self._busy}
        return [str(x) for x in self.exchanges[-200:] if x.terminal_id in names][-3:]

    def _run(self):
        try:
            self._loop.run_until_complete(self._arrive())
        finally:
            self._loop.close()

    async def _arrive(self):
        """Let payments arrive when they are due, busy terminals or not."""
        tasks, due = set(), self._loop.time()
        while not self.is_closed:
            now = self._loop.time()
            if not self._is_open.is_set():
                due = now
            while due <= now and self._is_open.is_set():
                due += self._noise.expovariate(self.rate_per_s)
                self._waiting += 1
            if self._waiting > WAITING_COUNT_MAX:
                self.skipped_count += self._waiting - WAITING_COUNT_MAX
                self._waiting = WAITING_COUNT_MAX
            if not self._is_open.is_set():
                self._waiting = 0  # nobody begins any more: who waited goes home
            while self._waiting and self._free:
                self._waiting -= 1
                cashier = self._free.pop(self._noise.randrange(len(self._free)))
                self._busy.add(cashier)
                task = self._loop.create_task(self._serve(cashier))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(0.005)
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for terminal in (*self.cashiers, *self.clerks):
            terminal.hang_up()

    async def _serve(self, cashier):
        try:
            await cashier.pay()
        except Exception as error:  # noqa: BLE001 - whoever finishes the crowd tells of it
            self.errors.append(error)
        finally:
            self._busy.discard(cashier)
            self._free.append(cashier)

    # -- what it remembers

    def paid_count(self):
        return sum(x.code == "00" and x.kind in {"sale", "repeat"} for x in list(self.exchanges))

    def wait_paid(self, more, within_s=45.0):
        """Wait until so many more approvals were heard."""
        target = self.paid_count() + more
        until(lambda: self.paid_count() >= target, lambda: f"{target} approvals", within_s)

    def approvals(self):
        """Count what was approved by what was asked."""
        heard = list(self.exchanges)
        return dict(Counter(x.operation for x in heard if x.code == "00" and x.kind == x.operation))

    def codes(self):
        """Count the answers to sales and repeats by their code; empty: silence."""
        found = {}
        for x in list(self.exchanges):
            if x.kind in {"sale", "repeat"}:
                found[x.code] = found.get(x.code, 0) + 1
        return found

    def reasons(self):
        """Count what the switch refused by the reason that it gave."""
        found = {}
        for x in list(self.exchanges):
            if x.code not in {"00", ""} and x.kind in {"sale", "repeat"}:
                found[x.reason] = found.get(x.reason, 0) + 1
        return found

    def longest_stall_s(self):
        """Return the longest time between two approvals while payments came."""
        heard = list(self.exchanges)
        times = sorted(x.ended_at for x in heard if x.code == "00" and x.is_payment)
        breaks = iter(self._begun_at)
        longest, begun = 0, next(breaks)
        for earlier, later in itertools.pairwise(times):
            while (following := next(breaks, None)) is not None and following <= later:
                begun = following
            if following is not None:
                breaks = itertools.chain([following], breaks)
            longest = max(longest, later - max(earlier, begun))
        return longest / 1_000
