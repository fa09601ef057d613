"""`switch tour`: the guided story, with real processes of its own."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from switch.cli.failure import EXIT_FAULT, EXIT_WRONG, CommandFailure

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import Console
    from rich.status import Status

    from switch.demo.tour_instance import TourInstance
    from switch.demo.tour_report import StepReport, TourReport
    from switch.demo.tour_story import Story

FOLDER_PREFIX: Final = "switch-tour-"


@click.command()
@click.option("--log", "log_url", help="kafka://HOST:PORT: the same on Kafka; else embedded.")
@click.option("--keep", is_flag=True, help="Keep the instance's data folder, and say where it is.")
@click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def tour(log_url: str | None, keep: bool, style: str) -> None:
    """
    Tell what the switch is for, in seven steps, against an instance of its own (under a minute).

    After each step: the terminal's receipt, the journal and the issuer's own ledger side by side,
    and a verdict computed from that ledger: one debit, a debit and its return, or no debit. Any
    other ends with exit code 7.
    """
    from switch.cli.tour_log import name_own_topics
    from switch.demo.tour_instance import TourFault

    url = name_own_topics(log_url) if log_url else ""
    try:
        report = _run(url, keep=keep, style=style)
    except TourFault as fault:
        raise CommandFailure(f"the tour cannot go on: {fault}", EXIT_FAULT) from fault
    if not report.is_good:
        click.get_current_context().exit(EXIT_WRONG)


def _run(url: str, *, keep: bool, style: str) -> "TourReport":
    from switch.demo.tour_instance import TourInstance
    from switch.demo.tour_report import TourReport
    from switch.demo.tour_screen import show_end

    console = _make_console()
    started_at = time.monotonic()
    steps: list[StepReport] = []
    with _own_folder(keep=keep) as folder, _speak() as teller:
        instance = TourInstance(folder, url, os.environ)
        with _ended(instance, teller, url, keep=keep):
            _begin(instance, console, teller, style)
            story = _make_story(instance, teller)
            for step in story.run():
                steps.append(step)
                _show(console, step, teller, style)
            complaints = story.check_whole_ledger()
    report = TourReport(
        is_good=all(step.is_good for step in steps) and not complaints,
        log=urlsplit(url).scheme or "embedded",
        steps=tuple(steps),
        complaints=tuple(complaints),
        seconds=time.monotonic() - started_at,
    )
    if style == "json":
        _print_json(report)
    else:
        show_end(console, report)
    return report


def _begin(instance: "TourInstance", console: "Console", teller: "Teller", style: str) -> None:
    from switch.demo.tour_screen import show_beginning

    ready_s = instance.start(teller.say)
    if style == "table":
        with teller.silent():
            show_beginning(console, str(instance.data_dir), instance.log_url, ready_s)


def _make_story(instance: "TourInstance", teller: "Teller") -> "Story":
    from switch.apps.demo import load_demo_world
    from switch.cli.tour_cast import find_inactive_terminal, make_order, make_terminal
    from switch.cli.tour_log import count_partitions, read_journal
    from switch.demo.tour_stage import TourStage
    from switch.demo.tour_story import Story

    world = load_demo_world()
    terminal = make_terminal(world.terminals[0], instance.address)
    inactive, status = find_inactive_terminal(world)
    stage = TourStage(instance, terminal, read_journal, count_partitions, teller.say)
    return Story(stage, make_order, make_terminal(inactive, instance.address), status)


# -- what must not be left behind -------------------------------------------------------------


@contextlib.contextmanager
def _own_folder(*, keep: bool) -> Iterator[Path]:
    """Make a folder and remove it, however this ends; a polite kill is as good as Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    try:
        yield folder
    finally:
        with _deaf():
            if keep:
                data = folder / "data"
                click.echo(f"kept: {folder} (`switch up --demo --data {data}` goes on)", err=True)
            else:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _ended(instance: "TourInstance", teller: "Teller", url: str, *, keep: bool) -> Iterator[None]:
    """End the instance, however this ends, and remove its topics."""
    from switch.cli.tour_log import remove_own_topics

    try:
        yield
    finally:
        with _deaf():
            teller.say("stopping the instance")
            instance.stop()
            if url and not keep:
                teller.say("removing its topics")
                remove_own_topics(url)


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Let nothing interrupt the tidying up; it is bounded."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in kept:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _interrupt(number: int, _frame: "FrameType | None") -> None:
    raise KeyboardInterrupt(f"signal {number}")


# -- telling ----------------------------------------------------------------------------------


class Teller:
    """Says what is being done: a line that changes on a terminal, lines in a pipe."""

    def __init__(self, status: "Status | None") -> None:
        self._status = status

    def say(self, text: str) -> None:
        """Say what is being done now."""
        if self._status is not None:
            self._status.update(text)
        else:
            click.echo(f"... {text}", err=True)

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Make room for what is printed."""
        if self._status is None:
            yield
            return
        self._status.stop()
        yield
        self._status.start()


@contextlib.contextmanager
def _speak() -> Iterator[Teller]:
    from rich.console import Console

    if not sys.stderr.isatty():
        yield Teller(None)
        return
    with Console(stderr=True, highlight=False).status("beginning") as status:
        yield Teller(status)


def _make_console() -> "Console":
    from rich.console import Console

    from switch.cli.screen import PIPE_WIDTH

    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def _show(console: "Console", step: "StepReport", teller: Teller, style: str) -> None:
    from switch.demo.tour_screen import show_step

    if style == "table":
        with teller.silent():
            show_step(console, step)


def _print_json(report: "TourReport") -> None:
    import msgspec

    content = msgspec.to_builtins(report)
    for step, shown in zip(report.steps, content["steps"], strict=True):
        shown["is_good"] = step.is_good
        shown["journal"] = [line._asdict() for line in step.journal]
        shown["ledger"] = [entry._asdict() for entry in step.ledger]
    click.echo(msgspec.json.format(msgspec.json.encode(content)))
