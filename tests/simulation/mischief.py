"""What terminals and cashiers do wrong, on purpose or because a line is bad."""

from typing import TYPE_CHECKING

from tests.simulation.memory import REMEMBERED_MS, Belief, PaymentMemory

if TYPE_CHECKING:
    from tests.simulation.network import Line
    from tests.simulation.terminals import Terminal

NO_ANSWER = "98"
COPIES_MAX = 10
STORM_COPIES = 10
COPY_EVERY_MS = 200
ALTERED_BY_MINOR = 1_000


def begin(terminal: "Terminal", course: str) -> None:
    """Do what a course says beside sending the first copy."""
    simulation = terminal.simulation
    chance, scheduler = simulation.random.random, terminal.scheduler
    if course == "reversal-first":
        other = simulation.open_line(terminal)
        if other is not None:
            simulation.note_fault("reversal-first", terminal.name)
            terminal.begin_reversal(NO_ANSWER)
            terminal.send_reversal(other)
    elif course == "conflict-storm":
        other = simulation.open_line(terminal)
        if other is not None:
            simulation.note_fault("conflict-storm", terminal.name)
            _send_altered(terminal, terminal.current, other)
    elif course == "impatient":
        delay = 100 + int(chance() * 900)
        scheduler.after(delay, terminal, _copy_again, terminal, terminal.current)
    elif course == "power-cut":
        delay = 10 + int(chance() * 1_500)
        scheduler.after(delay, terminal, _lose_power, terminal, terminal.current)


def after_approval(terminal: "Terminal", payment: PaymentMemory) -> None:
    """Do once more what was done already, in one wrong way or another; expect what it says."""
    course = payment.course
    if course == "repeat":
        terminal.send(payment.kind.mti, payment.fields, payment)
    elif course == "conflict":
        _send_altered(terminal, payment, None)
    elif course == "wrong-reversal":
        _send_wrong_reversal(terminal, payment)
    elif course == "old-repeat":
        _send_old(terminal)
    elif course == "too-late":
        _reverse_original(terminal, payment.original)


def storm(terminal: "Terminal") -> None:
    """Send what is under way ten times more, as after a restart of the gateway."""
    payment = terminal.current
    if payment is None:
        return
    for _ in range(STORM_COPIES):
        if terminal.is_reversing:
            terminal.send("0400", terminal.make_reversal(), payment)
        else:
            terminal.send(payment.kind.mti, payment.fields, payment)


def _copy_again(terminal: "Terminal", payment: PaymentMemory) -> None:
    """Send another copy while the first is under way."""
    is_waiting = payment is terminal.current and not terminal.is_reversing
    if is_waiting and terminal.copy_count < COPIES_MAX:
        terminal.simulation.note_fault("copies", terminal.name)
        terminal.send_copy()
        terminal.scheduler.after(COPY_EVERY_MS, terminal, _copy_again, terminal, payment)


def _lose_power(terminal: "Terminal", payment: PaymentMemory) -> None:
    """Forget what it was waiting for; the reversal had been stored before the sending."""
    if payment is terminal.current and not terminal.is_reversing:
        terminal.simulation.note_fault("power-cut", terminal.name)
        if terminal.line is not None:
            terminal.line.close(terminal)
            terminal.line = None
        terminal.owe(NO_ANSWER)


def _send_altered(terminal: "Terminal", payment: PaymentMemory, line: "Line | None") -> None:
    if "amount_transaction" not in payment.fields:
        return
    payment.altered_minor = payment.amount_minor + ALTERED_BY_MINOR
    altered = {**payment.fields, "amount_transaction": f"{payment.altered_minor:012d}"}
    terminal.send(payment.kind.mti, altered, payment, line)


def _send_wrong_reversal(terminal: "Terminal", payment: PaymentMemory) -> None:
    terminal.reversal_stan = payment.stan if terminal.voice.has_batch else terminal.take_stan()
    fields = terminal.make_reversal()
    fields["amount_transaction"] = f"{payment.amount_minor + 1:012d}"
    terminal.send("0400", fields, payment)


def _reverse_original(terminal: "Terminal", original: PaymentMemory | None) -> None:
    """Reverse what was changed a moment ago: its terminal takes it for reversed, nobody does so."""
    if original is None or original not in terminal.payments or original.reversal_key:
        return
    stan = original.stan if terminal.voice.has_batch else terminal.take_stan()
    fields = terminal.voice.make_reversal_fields(
        original, NO_ANSWER, stan, terminal.simulation.wall_ms
    )
    original.reversal_key = terminal.voice.key_of(fields, "reversal")
    original.belief = Belief.DOUBTED
    terminal.send("0400", fields, original)


def _send_old(terminal: "Terminal") -> None:
    """Repeat the payment before the last one, as a terminal whose counter fell back."""
    old = terminal.payments[-2] if len(terminal.payments) > 1 else None
    if old is not None and old.belief is not Belief.APPROVED and _is_forgotten(terminal, old):
        return  # a refusal may be forgotten while its batch is open: then it is asked anew
    if old is not None and any(told.rrn for told in old.told):
        terminal.send(old.kind.mti, old.fields, old)


def _is_forgotten(terminal: "Terminal", payment: PaymentMemory) -> bool:
    return terminal.scheduler.now - payment.began_ms > REMEMBERED_MS
