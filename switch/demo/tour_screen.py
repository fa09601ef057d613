"""How the tour looks: the three witnesses side by side, stacked where the screen is narrow."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from switch.demo.tour_journal import JournalLine
from switch.demo.tour_ledger import ONE_DEBIT, RETURNED, LedgerEntry
from switch.demo.tour_report import StepReport, TourReport
from switch.domain.money import CURRENCY_EXPONENTS, format_minor

SIDE_BY_SIDE_COLUMNS: Final = 132  # three panels of which each still holds a receipt's line
RECEIPT_LABEL_COLUMNS: Final = 20  # as the terminal prints them
_LOUD: Final = "bold white on red"
_OUTCOME_STYLES: Final = {
    "approved": "green",
    "late": "yellow",
    "silent": "yellow",
    "reversed": "cyan",
    "already": "dim",
    "ignored": "yellow",
    "declined": "red",
}


def show_beginning(console: Console, data_dir: str, log_url: str, ready_s: float) -> None:
    """Print what the tour is, and against what."""
    console.print(
        Text(
            "Seven things that happen to payments, done to an instance of the switch of their own:"
            " what the terminal prints, what the journal holds, what the issuer wrote down."
            " The verdict counts the issuer's lines and believes nobody else."
        )
    )
    console.print(Text(f"ready after {ready_s:.1f} s, log {log_url}, data {data_dir}", "dim"))


def show_step(console: Console, step: StepReport) -> None:
    """Print one step."""
    console.print()
    console.rule(
        Text.assemble((f" {step.number}  {step.title_en} ", "bold"), f" {step.title_zh} "),
        align="left",
    )
    for sentence in step.story:
        console.print(Text(sentence))
    console.print()
    panels = (
        Panel(_show_receipt(step), title="the terminal's receipt", box=box.ROUNDED),
        Panel(_show_journal(step.journal), title="the journal", box=box.ROUNDED),
        Panel(_show_ledger(step.ledger), title="the issuer's own ledger", box=box.ROUNDED),
    )
    console.print(_arrange(console, panels))
    console.print(_show_verdict(step))


def show_end(console: Console, report: TourReport) -> None:
    """Print what all of it came to."""
    console.print()
    console.rule(Text(" all of it ", "bold"), align="left")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("step", "", "verdict", "seconds"):
        table.add_column(name, justify="right" if name == "seconds" else "left")
    for step in report.steps:
        style = "green" if step.is_good else _LOUD
        table.add_row(
            str(step.number), step.title_en, Text(step.verdict, style), f"{step.seconds:.1f}"
        )
    console.print(table)
    for complaint in report.complaints:
        console.print(Text(complaint, _LOUD))
    if report.is_good:
        console.print(
            Text(
                f"Every ledger is as it must be; nothing else is in it. {report.seconds:.0f} s.",
                "bold green",
            )
        )
    else:
        console.print(Text("NOT as it must be: see above.", _LOUD))


def _arrange(console: Console, panels: Sequence[Panel]) -> RenderableType:
    if console.width < SIDE_BY_SIDE_COLUMNS:
        return Group(*panels)
    grid = Table.grid(expand=True, padding=(0, 1))
    for ratio in (10, 10, 8):
        grid.add_column(ratio=ratio, overflow="fold")
    grid.add_row(*panels)
    return grid


def _show_receipt(step: StepReport) -> RenderableType:
    table = Table.grid()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for before in step.outcomes[:-1]:
        table.add_row(Text("(before)", "dim"), Text(before.kind.value, "dim"))
    for line in step.receipt.splitlines():
        label, value = split_receipt_line(line)
        table.add_row(Text(label), Text(value))
    return table


def split_receipt_line(line: str) -> tuple[str, str]:
    """Part a receipt's line where its values begin; a Chinese character takes two columns."""
    columns = 0
    for index, char in enumerate(line):
        if columns >= RECEIPT_LABEL_COLUMNS:
            return line[:index], line[index:]
        columns += cell_len(char)
    return line, ""


def _show_journal(lines: Sequence[JournalLine]) -> RenderableType:
    if not lines:
        return Text("nothing", "dim")
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    offset = -1
    for line in lines:
        place = f"{line.partition}/{line.offset}" if line.offset != offset else ""
        offset = line.offset
        mark = ("VOID ", "bold red") if line.is_void else ""
        table.add_row(place, Text.assemble(mark, (line.tag, "cyan"), " ", line.words))
    return table


def _show_ledger(entries: Sequence[LedgerEntry]) -> RenderableType:
    if not entries:
        return Text("nothing: the issuer was never asked", "dim")
    table = Table.grid(padding=(0, 1))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for entry in entries:
        at = datetime.fromtimestamp(entry.at / 1000, UTC)
        table.add_row(
            Text(f"{at:%H:%M:%S}.{entry.at % 1000:03d}", "dim"),
            entry.op,
            _show_amount(entry),
            Text(entry.outcome, _OUTCOME_STYLES.get(entry.outcome, "")),
        )
    return table


def _show_amount(entry: LedgerEntry) -> str:
    known = entry.currency in CURRENCY_EXPONENTS
    return format_minor(entry.amount_minor, entry.currency) if known else str(entry.amount_minor)


def _show_verdict(step: StepReport) -> Text:
    verdict = Text.assemble(("verdict  ", "bold"))
    if step.is_good:
        style = {ONE_DEBIT: "bold green", RETURNED: "bold cyan"}.get(step.verdict, "bold blue")
        verdict.append(step.verdict, style)
        verdict.append(f"   RRN {step.rrn}, {step.seconds:.1f} s", "dim")
        return verdict
    verdict.append(step.verdict, _LOUD)
    if step.verdict != step.expected:
        verdict.append(f"  must be: {step.expected}", "bold red")
    for complaint in step.complaints:
        verdict.append(f"\n         {complaint}", "red")
    return verdict
