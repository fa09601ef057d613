"""Days of business at the shops of the memory benchmark, drawn from one seed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Final, NamedTuple

import msgspec

from loadtest.lone_partition import LonePartition
from loadtest.memory_cashier import Cashier, Receipt, make_pan
from loadtest.memory_world import CURRENCY, LINK, merchant_id_of, terminal_id_of
from switch.domain.terminal.requests import BatchTotals
from switch.domain.upstream import UpstreamRequest

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
_OPENS_MS: Final = 8 * HOUR_MS
_OPEN_MS: Final = 12 * HOUR_MS
_SETTLES_MS: Final = 21 * HOUR_MS + 30 * MINUTE_MS
_HOURS_OF_NIGHT: Final = (22, 23, 24, 25, 28)  # when somebody looks whether something is due
_CARD_COUNT: Final = 30_000

_FORGETS_SHARE: Final = 0.03  # of the batches are not settled in the evening, but the next
_MISCOUNTS_SHARE: Final = 0.005  # of the settled ones
_UPLOADS_SHARE: Final = 0.5  # of these
_TWICE_SHARE: Final = 0.5  # of the late refunds are followed by another
_OUTAGE_EVERY_DAYS: Final = 9
_OUTAGE_SHARE: Final = 0.02  # of such a day, at noon

# the last two digits of an amount choose what the issuer does, as the issuer simulator does it
_DECLINED, _SILENT, _SILENT_TO_THE_END = 51, 98, 25


class DaysPlan(msgspec.Struct, frozen=True, kw_only=True):
    """
    How much business there is, and how long the switch remembers what somebody comes back to.

    `vanishing` terminals do business on one day only and leave an open batch each behind.
    """

    seed: int = 1
    merchants: int = 20
    terminals: int = 200
    messages_a_day: int = 40  # of one terminal
    vanishing_every_days: int = 2  # until so many have vanished
    vanishing: int = 30
    hold_days: int = 30
    refund_days: int = 180
    memory_days: int = 7


class Later(NamedTuple):
    """A payment that somebody will come back to."""

    errand: str
    receipt: Receipt


def answer_as_issuer(request: UpstreamRequest) -> Iterator[dict[str, str]]:
    """Answer as the last two digits of the amount say; reversals are found, but for one ending."""
    ending = int(request.fields.get("amount_transaction", "00")[-2:])
    is_reversal = request.match.message_class == "reversal"
    if ending == _SILENT_TO_THE_END:
        if is_reversal:
            yield {"response_code": "25"}
    elif ending == _SILENT and not is_reversal:
        return
    elif ending == _DECLINED and not is_reversal:
        yield {"response_code": "51"}
    else:
        code = _authorization_of(request.match.rrn)
        yield {"response_code": "00", "authorization_id": code}


def _authorization_of(rrn: str) -> str:
    return f"A{rrn[-5:]}"


class Days:
    """Terminals and partners that go about their business; `pass_day` plays one day and night."""

    def __init__(self, plan: DaysPlan, partition: LonePartition) -> None:
        self._plan = plan
        self._partition = partition
        self._random = Random(plan.seed)
        self._day_ms = partition.now.wall_ms // DAY_MS * DAY_MS
        self._day = 0
        self._cashiers = [self._make_cashier(n) for n in range(plan.terminals)]
        self._sold: dict[Cashier, Receipt] = {}  # the last sale of today
        self._later: dict[int, list[Later]] = defaultdict(list)
        self._partner_count = self._command_count = 0
        self.vanished_count = 0
        partition.issuer = answer_as_issuer

    def _make_cashier(self, number: int) -> Cashier:
        merchant_id = merchant_id_of(number % self._plan.merchants)
        return Cashier(self._partition, terminal_id_of(number), merchant_id)

    # -- a day

    def pass_day(self) -> None:
        """Open the shops, let everybody ask and settle, and let the night pass."""
        errands = [c for c in self._cashiers for _ in range(self._plan.messages_a_day)]
        self._random.shuffle(errands)
        names, weights = list(ERRANDS), [weight for weight, _ in ERRANDS.values()]
        chosen = self._random.choices(names, weights, k=len(errands))
        self._partition.pass_to(self._day_ms + _OPENS_MS)
        self._sign_some_on()
        self._come_back()
        self._vanish()
        outage = self._plan_outage(len(errands))
        for number, (cashier, name) in enumerate(zip(errands, chosen, strict=True)):
            self._partition.pass_to(self._day_ms + _OPENS_MS + _OPEN_MS * number // len(errands))
            if number in outage:
                self._partition.set_links(() if number == outage.start else (LINK,))
            ERRANDS[name][1](self, cashier)
        self._partition.pass_to(self._day_ms + _SETTLES_MS)
        for cashier in self._cashiers:
            self._settle(cashier)
        self._end_day()

    def _plan_outage(self, errand_count: int) -> range:
        """Say at which errand the issuer's line goes down, and at which it is up again."""
        if self._day % _OUTAGE_EVERY_DAYS:
            return range(0)
        length = max(int(errand_count * _OUTAGE_SHARE), 1)
        return range(errand_count // 2, errand_count // 2 + length + 1, length)

    def pass_quiet_day(self) -> None:
        """Let one cashier ask for one balance and settle, and the night pass."""
        self._partition.pass_to(self._day_ms + _OPENS_MS)
        self._cashiers[0].ask("inquiry", 0, self._draw_pan())
        self._partition.pass_to(self._day_ms + _SETTLES_MS)
        self.settle_rightly(self._cashiers[:1])
        self._end_day()

    def settle_rightly(self, cashiers: Iterable[Cashier] = ()) -> None:
        """Let cashiers, or all of them, close their batch with the right totals."""
        for cashier in cashiers or self._cashiers:
            cashier.settle(self._partition.book.total_batch(cashier.till, cashier.batch))

    def _end_day(self) -> None:
        self._sold.clear()
        for hour in _HOURS_OF_NIGHT:
            self._partition.pass_to(self._day_ms + hour * HOUR_MS)
        self._settle_cases()
        self._day_ms += DAY_MS
        self._day += 1

    def _sign_some_on(self) -> None:
        """Let each terminal sign on once a week."""
        for number, cashier in enumerate(self._cashiers):
            if number % 7 == self._day % 7:
                cashier.sign_on()

    def _vanish(self) -> None:
        """Let a terminal do business for the first and last time in its life."""
        is_day = self._day % self._plan.vanishing_every_days == 0
        if not is_day or self.vanished_count >= self._plan.vanishing:
            return
        cashier = self._make_cashier(self._plan.terminals + self.vanished_count)
        self.vanished_count += 1
        for _ in range(self._plan.messages_a_day // 2):
            cashier.ask("sale", self._draw_amount(), self._draw_pan())

    def _settle(self, cashier: Cashier) -> None:
        """Close a batch; some forget it on some days, some count wrongly, some of these upload."""
        if self._has_luck(_FORGETS_SHARE):
            return
        totals, batch = self._partition.book.total_batch(cashier.till, cashier.batch), cashier.batch
        if self._has_luck(_MISCOUNTS_SHARE):
            totals = BatchTotals(debit_minor=totals.debit_minor + 1, debit_count=1)
        if not cashier.settle(totals) and self._has_luck(_UPLOADS_SHARE):
            cashier.end_upload(batch)

    def _has_luck(self, share: float) -> bool:
        return self._random.random() < share

    def _settle_cases(self) -> None:
        """Resolve every open case, as operators do in the morning."""
        for case_id in self._partition.list_open_cases():
            self._command("resolve", case_id=case_id, resolution="no-action", text="seen")

    def _command(self, command: str, **fields: str) -> None:
        self._command_count += 1
        common = {"command": command, "command_id": f"c-{self._command_count}", "by": "anna"}
        self._partition.command({**common, **fields})

    # -- errands

    def _draw_pan(self) -> str:
        return make_pan(self._random, _CARD_COUNT)

    def _draw_amount(self, ending: int = 0) -> int:
        return self._random.randrange(1, 900) * 100 + ending

    def sell(self, cashier: Cashier) -> None:
        """Sell something."""
        self._sold[cashier] = cashier.ask("sale", self._draw_amount(), self._draw_pan())

    def sell_to_a_poor_one(self, cashier: Cashier) -> None:
        """Let the issuer decline."""
        cashier.ask("sale", self._draw_amount(_DECLINED), self._draw_pan())

    def sell_in_dollars(self, cashier: Cashier) -> None:
        """Ask for what the switch itself refuses."""
        cashier.ask("sale", self._draw_amount(), self._draw_pan(), currency="840")

    def sell_in_silence(self, cashier: Cashier) -> None:
        """Let the issuer say nothing; its terminal takes the sale back and the switch reverses."""
        receipt = cashier.ask("sale", self._draw_amount(_SILENT), self._draw_pan())
        self._partition.pass_ms(MINUTE_MS)
        cashier.take_back(receipt)

    def sell_to_no_end(self, cashier: Cashier) -> None:
        """Let the issuer neither answer nor find anything to reverse: a case."""
        cashier.ask("sale", self._draw_amount(_SILENT_TO_THE_END), self._draw_pan())

    def sell_and_take_back(self, cashier: Cashier) -> None:
        """Sell, and reverse it."""
        cashier.take_back(cashier.ask("sale", self._draw_amount(), self._draw_pan()))

    def sell_and_void(self, cashier: Cashier) -> None:
        """Sell, and void it."""
        receipt = cashier.ask("sale", self._draw_amount(), self._draw_pan())
        cashier.ask_about("void", receipt, receipt.amount)

    def sell_and_repeat(self, cashier: Cashier) -> None:
        """Sell, and ask once more for the answer."""
        cashier.repeat(cashier.ask("sale", self._draw_amount(), self._draw_pan()))

    def sell_and_claim(self, cashier: Cashier) -> None:
        """Sell, and let the cardholder say that nothing was given for it."""
        receipt = cashier.ask("sale", self._draw_amount(), self._draw_pan())
        self._command("open", rrn=receipt.rrn, text="not served")

    def refund_todays(self, cashier: Cashier) -> None:
        """Give a part of today's last sale back."""
        receipt = self._sold.pop(cashier, None)
        if receipt is None:
            self.sell(cashier)
        else:
            self._later_of(receipt, "refund", self._plan.refund_days - 10)
            cashier.ask_about("refund", receipt, receipt.amount // 300 * 100 + 100)

    def sell_for_later(self, cashier: Cashier) -> None:
        """Sell something that comes back when the partition has long forgotten it."""
        self._partition.keeps_next = True
        receipt = cashier.ask("sale", self._draw_amount(), self._draw_pan())
        self._later_of(receipt, "refund", self._plan.refund_days - 10)

    def hold(self, cashier: Cashier) -> None:
        """Authorize beforehand; most is completed or given up, some of it runs out."""
        receipt = cashier.ask("pre-authorization", self._draw_amount(), self._draw_pan())
        end = self._random.choice(("completion", "completion-advice", "give-up", "", ""))
        if end:
            self._later_of(receipt, end, self._plan.hold_days - 1, first_day=0)

    def report(self, cashier: Cashier) -> None:
        """Tell of a payment that was made without the switch."""
        cashier.ask("offline", self._draw_amount(), self._draw_pan())

    def ask_balance(self, cashier: Cashier) -> None:
        """Ask for a balance."""
        cashier.ask("inquiry", 0, self._draw_pan())

    def bury(self, cashier: Cashier) -> None:
        """Take back what never arrived."""
        cashier.take_back_unsent(self._draw_amount(), self._draw_pan())

    def tell_script_result(self, cashier: Cashier) -> None:
        """Send a notice."""
        cashier.tell_script_result(self._draw_pan())

    def err(self, cashier: Cashier) -> None:
        """Ask in a batch that is not open, and as another merchant's terminal."""
        wrong = f"22{self._random.randrange(500_000, 999_999):06d}00050"
        cashier.ask("sale", self._draw_amount(), self._draw_pan(), batch_data=wrong)
        other = merchant_id_of(self._random.randrange(self._plan.merchants))
        cashier.ask(
            "sale", self._draw_amount(), self._draw_pan(), merchant_id=other, batch_data=wrong
        )

    def pay_by_partner(self, cashier: Cashier) -> None:
        """Let a partner be paid as the same merchant, and change its mind sometimes."""
        rrn = self._ask_partner(cashier, self._draw_pan(), amount_minor=str(self._draw_amount()))
        change = self._random.choice(("void", "refund", "reverse", "", "", "", "", ""))
        if change == "refund":
            self._ask_partner(cashier, operation=change, original_rrn=rrn, amount_minor="50")
        elif change:
            self._ask_partner(cashier, operation=change, original_rrn=rrn)

    def _ask_partner(self, cashier: Cashier, pan: str = "", **fields: str) -> str:
        self._partner_count += 1
        common = {
            "client_id": "partner",
            "merchant_id": cashier.merchant_id,
            "idempotency_key": f"key-{self._partner_count:012d}",
            **({"currency": CURRENCY} if "amount_minor" in fields else {}),
        }
        self._partition.ask_as_partner({**common, **fields}, pan)
        return self._partition.opened_rrn

    # -- coming back

    def _later_of(self, receipt: Receipt, errand: str, days_max: int, first_day: int = -1) -> None:
        first_day = self._plan.memory_days + 2 if first_day < 0 else first_day
        due = self._day + self._random.randint(min(first_day, days_max), days_max) + 1
        kept = {name: receipt.fields[name] for name in ("stan", "terminal_id", "merchant_id")}
        self._later[due].append(Later(errand, receipt._replace(fields=kept)))

    def _come_back(self) -> None:
        """Do today what was begun on an earlier day, at any terminal of the same merchant."""
        count, merchants = len(self._cashiers), self._plan.merchants
        for errand, receipt in self._later.pop(self._day, []):
            number = int(str(receipt.fields["merchant_id"])[-4:]) - 7000
            cashier = self._cashiers[
                number + merchants * self._random.randrange(count // merchants)
            ]
            code = _authorization_of(receipt.rrn)
            if errand == "refund":
                cashier.ask_about("refund", receipt, receipt.amount // 300 * 100 + 100)
                if self._has_luck(_TWICE_SHARE):
                    self._later_of(receipt, "refund", 3, first_day=0)
            elif errand == "give-up":
                kind = "pre-authorization-void"
                cashier.ask_about_hold(kind, receipt, receipt.amount, code)
            else:
                cashier.ask_about_hold(errand, receipt, receipt.amount, code)


Errand = Callable[[Days, Cashier], None]
ERRANDS: Final[dict[str, tuple[float, Errand]]] = {
    "sale": (76, Days.sell),
    "sale that is declined": (3, Days.sell_to_a_poor_one),
    "sale that is refused": (1, Days.sell_in_dollars),
    "sale without an answer": (1, Days.sell_in_silence),
    "sale that becomes a case": (0.05, Days.sell_to_no_end),
    "sale that is reversed": (1.5, Days.sell_and_take_back),
    "sale that is voided": (2, Days.sell_and_void),
    "sale that is repeated": (1, Days.sell_and_repeat),
    "sale that is claimed": (0.05, Days.sell_and_claim),
    "sale of a forgotten refund": (1, Days.sell_for_later),
    "refund in parts": (1.5, Days.refund_todays),
    "pre-authorization": (2.5, Days.hold),
    "offline advice": (1, Days.report),
    "inquiry": (1, Days.ask_balance),
    "reversal of nothing": (0.5, Days.bury),
    "script notice": (0.3, Days.tell_script_result),
    "error": (0.3, Days.err),
    "partner": (6, Days.pay_by_partner),
}
