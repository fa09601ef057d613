"""What a terminal settles with the switch about itself: sign-on, sign-off, echo, its batch."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from switch.security.working_keys import KeyScheme, unwrap_working_keys
from tests.simulation.memory import Belief, PaymentMemory
from tests.simulation.oddities import ODDITIES
from tests.simulation.voice import Heard
from tests.simulation.world import CURRENCY, SM4_MAC

if TYPE_CHECKING:
    from tests.simulation.terminals import Terminal

ANSWER_WAIT_MS = 6_000
ATTEMPTS_MAX = 3
RETRY_MS = 3_000
ITEMS_PER_LIST = 8
BALANCED = "1"
BATCH_MAX = 999_999
REFUSED_COUNT_MAX = 3
WRONG_RATE = 0.05
OTHER_PAN = "620000000000000096"
FLOOD_RATE = 0.02
FLOOD_COUNT = 6


class Errand(NamedTuple):
    """One message about the terminal itself, and what to do with its answer."""

    name: str
    mti: str
    fields: dict
    take: Callable[[Heard], None]
    has_mac: bool = False


class Totals(NamedTuple):
    """What a batch comes to, as its terminal counts it."""

    debit_minor: int = 0
    debit_count: int = 0
    credit_minor: int = 0
    credit_count: int = 0


class Settlement(NamedTuple):
    """One 0500 and what became of it, for the checkers."""

    terminal: str
    batch: str
    claimed: Totals
    answer: str  # DE 48 as the switch wrote it
    ticket: int


def add_up(payments: list[PaymentMemory], batch: str) -> Totals:
    """Add up what counts in a batch: approved, and not taken back."""
    totals = {"debit": [0, 0], "credit": [0, 0]}
    for payment in list_counted(payments, batch):
        total = totals[payment.kind.side]
        total[0] += payment.amount_minor
        total[1] += 1
    return Totals(*totals["debit"], *totals["credit"])


def list_counted(payments: list[PaymentMemory], batch: str) -> list[PaymentMemory]:
    return [
        payment
        for payment in payments
        if payment.batch == batch and payment.belief is Belief.APPROVED and payment.kind.side
    ]


class Till:
    """The errands of one terminal: one at a time, repeated until they are answered."""

    def __init__(self, terminal: "Terminal") -> None:
        self.terminal = terminal
        self.errand: Errand | None = None
        self.wants_sign_on = False
        self.wants_settlement = False
        self.refused_count = 0  # payments in a row for which the terminal had to sign on
        self.settlements: list[Settlement] = []
        self._attempt_count = 0
        self._serial = 0
        self._uploaded_count = 0
        self._claimed = Totals()
        self._sign_ons_left = 0  # of a terminal that signs on again and again

    def has_business(self) -> bool:
        """Say whether something other than a payment is to be done now."""
        terminal = self.terminal
        if not terminal.voice.has_batch or not terminal.simulation.is_stormy:
            return False
        rate = terminal.simulation.options.errand_rate
        wants = self.wants_sign_on or self.wants_settlement
        if terminal.spec.oddity and self.refused_count > REFUSED_COUNT_MAX:
            return False  # it is no use
        return wants or terminal.simulation.random.random() < rate

    def be_refused(self) -> None:
        """Sign on; if that did not help, close the batch."""
        self.refused_count += 1
        if self.refused_count % 2:
            self.wants_sign_on = True
        else:
            self.wants_settlement = True

    def begin(self) -> None:
        """Begin what is wanted, else whatever is drawn."""
        chance = self.terminal.simulation.random.random()
        if self.wants_settlement:
            self.wants_settlement = False
            self._settle()
        elif self.wants_sign_on or chance < 0.25:
            self.wants_sign_on = False
            if self._sign_ons_left == 0 and chance < FLOOD_RATE:
                self._sign_ons_left = FLOOD_COUNT
            self._sign_on()
        elif chance < 0.35:
            self._do("sign-off", "0820", {"network": "002"}, self._take_sign_off)
        elif chance < 0.45:
            self._do("echo", "0820", {"network": "301"}, self._finish)
        else:
            self._settle()

    # -- sending and hearing

    def _do(
        self, name: str, mti: str, more: dict, take: Callable, *, has_mac: bool = False
    ) -> None:
        """Send a message under the next trace number, until it is answered."""
        terminal = self.terminal
        network = more.pop("network")
        fields = terminal.voice.make_management(network, terminal.take_stan(), **more)
        self.errand = Errand(name, mti, fields, take, has_mac)
        self._attempt_count = 0
        self._send()

    def _send(self) -> None:
        terminal, errand = self.terminal, self.errand
        self._attempt_count += 1
        self._serial += 1
        line = terminal.find_line()
        if line is not None:
            frame = terminal.voice.frame(errand.mti, errand.fields, has_mac=errand.has_mac)
            terminal.write(line, frame)
        terminal.scheduler.after(ANSWER_WAIT_MS, terminal, self._miss, self._serial)

    def _miss(self, serial: int) -> None:
        if serial != self._serial or self.errand is None:
            return
        self.terminal.change_gateway()
        if self._attempt_count >= ATTEMPTS_MAX and self.errand.name in {"echo", "sign-off"}:
            self._finish(None)
        else:
            self._send()

    def hear(self, heard: Heard) -> None:
        errand = self.errand
        if errand is None or heard.mti[:2] != errand.mti[:2]:
            return
        if heard.stan == errand.fields["stan"]:
            if errand.has_mac and not heard.is_proven:
                self._stop()
                return
            errand.take(heard)

    def _finish(self, _heard: Heard | None) -> None:
        self.errand = None
        self._serial += 1
        self.terminal.rest()

    def _stop(self) -> None:
        """Be refused: nothing is closed; sign on, and try again another time."""
        self.refused_count += 1
        self.wants_sign_on = True
        self._finish(None)

    # -- sign-on

    def _sign_on(self) -> None:
        spec = self.terminal.spec
        scheme = "006" if spec.mac_algorithm == SM4_MAC else "003"
        if spec.oddity:
            scheme = ODDITIES[spec.oddity].sign_on_scheme or scheme
        more = {"network": scheme, "private_63": "01 "}
        self._do("sign-on", "0800", more, self._take_sign_on)

    def _take_sign_on(self, heard: Heard) -> None:
        terminal = self.terminal
        if heard.code == "00":
            terminal.simulation.note_fault("sign-on", terminal.name)
            scheme = KeyScheme(self.errand.fields["batch_data"][8:11])
            wrapped = heard.fields["private_62"].encode("latin-1")
            keys = unwrap_working_keys(wrapped, scheme, terminal.spec.tmk)
            terminal.voice.take_key(keys.mak)
            terminal.voice.batch = heard.fields["batch_data"][2:8]
        if self._sign_ons_left:
            self._sign_ons_left -= 1
            self._sign_on()
        else:
            self._finish(heard)

    def _take_sign_off(self, heard: Heard) -> None:
        if heard.code == "00":
            self.terminal.simulation.note_fault("sign-off", self.terminal.name)
        self._finish(heard)

    # -- the end of a batch

    def _settle(self) -> None:
        """Close the batch; now and then with totals that are not its own."""
        terminal = self.terminal
        totals = add_up(terminal.payments, terminal.voice.batch)
        if terminal.simulation.random.random() < WRONG_RATE:
            totals = totals._replace(debit_minor=totals.debit_minor + 1)
        self._claimed = totals
        text = (
            f"{totals.debit_minor:012d}{totals.debit_count:03d}"
            f"{totals.credit_minor:012d}{totals.credit_count:03d}0{'0' * 31}"
        )
        more = {
            "network": "201",
            "additional_data_private": text,
            "currency": CURRENCY,
            "private_63": "01 ",
        }
        self._do("settlement", "0500", more, self._take_totals)

    def _take_totals(self, heard: Heard) -> None:
        terminal = self.terminal
        if heard.code != "00":
            self._stop()
            return
        answer = heard.fields["additional_data_private"]
        ticket = terminal.scheduler.take_ticket()
        self.settlements.append(
            Settlement(terminal.name, terminal.voice.batch, self._claimed, answer, ticket)
        )
        flag = answer[30]
        terminal.simulation.note_fault(f"settlement-{flag}", terminal.name)
        chance = terminal.simulation.random.random()
        if chance < (0.7 if flag == BALANCED else WRONG_RATE):  # else it owes the upload for ever
            self._close_batch()
        else:
            self._uploaded_count = 0
            self._upload()

    def _upload(self) -> None:
        """Send the next list, or say that there is no more."""
        terminal = self.terminal
        counted = list_counted(terminal.payments, terminal.voice.batch)
        page = counted[self._uploaded_count : self._uploaded_count + ITEMS_PER_LIST]
        if page:
            # now and then a list comes twice, the first time with wrong amounts or cards
            drawn = terminal.simulation.random.random()
            is_wrong, is_other = drawn < WRONG_RATE, drawn < WRONG_RATE / 2
            items = "".join(
                f"00{payment.stan}{OTHER_PAN if is_other else payment.pan:0>20}"
                f"{payment.amount_minor + (is_wrong and not is_other):012d}"
                for payment in page
            )
            self._uploaded_count += 0 if is_wrong else len(page)
            more = {"network": "201", "additional_data_private": f"{len(page):02d}{items}"}
            self._do("upload", "0320", more, self._take_list, has_mac=True)
            return
        is_balanced = self.settlements[-1].answer[30] == BALANCED
        is_wrong = terminal.simulation.random.random() < WRONG_RATE
        more = {
            "network": "207" if is_balanced else "202",
            "additional_data_private": f"{self._uploaded_count + is_wrong:04d}",
        }
        self._do("upload-end", "0320", more, self._take_end, has_mac=True)

    def _take_list(self, heard: Heard) -> None:
        if heard.code == "00":
            self._upload()
        else:
            self._stop()

    def _take_end(self, heard: Heard) -> None:
        if heard.code == "00":
            self.terminal.simulation.note_fault("upload", self.terminal.name)
            self._close_batch()
        else:
            self._stop()

    def _close_batch(self) -> None:
        voice = self.terminal.voice
        voice.batch = f"{int(voice.batch) % BATCH_MAX + 1:06d}"
        self._finish(None)
