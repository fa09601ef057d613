"""The `switch` command: subcommands are imported only when used, so that `--help` is quick."""

import importlib
import signal
import threading
from typing import Final

import click

import switch
from switch.cli.failure import EXIT_INTERRUPTED

# name -> (module, attribute, first line of its help)
SUBCOMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "up": ("switch.cli.up", "up", "Run every role in one process group."),
    "gateway": ("switch.cli.roles", "gateway", "Run a gateway by itself, over Kafka."),
    "handler": ("switch.cli.roles", "handler", "Run a handler by itself, over Kafka."),
    "registrar": ("switch.cli.roles", "registrar", "Run a registrar by itself, over Kafka."),
    "projector": ("switch.cli.roles", "projector", "Run a projector by itself, over Kafka."),
    "topics": ("switch.cli.topics", "topics", "Topics on Kafka: make them, check them."),
    "status": ("switch.cli.status", "status", "Every partition, projection and gateway."),
    "tour": ("switch.cli.tour", "tour", "Tell the story with real processes (half a minute)."),
    "pos": ("switch.cli.pos", "pos", "A point-of-sale terminal on the command line."),
    "payment": ("switch.cli.payment", "payment", "The case file of one payment."),
    "case": ("switch.cli.case", "case", "What people must look at, and what they decide."),
    "registry": ("switch.cli.registry", "registry", "Merchants, agents, terminals, routes."),
    "settlement": ("switch.cli.settlement", "settlement", "Settlement lines and totals."),
    "replay": ("switch.cli.replay", "replay", "Run a payment's record through today's code."),
    "log": ("switch.cli.log", "log", "The raw event log, card data masked."),
    "projection": ("switch.cli.projection", "projection", "Projections: state and rebuild."),
    "iso": ("switch.cli.iso", "iso", "Decode, encode, describe ISO 8583 messages."),
    "issuer": ("switch.cli.issuer", "issuer", "The issuer simulator and its ledger."),
    "config": ("switch.cli.config", "config", "Settings in force, with their origin."),
    "version": ("switch.cli.version", "version", "Print the version."),
}


class LazyGroup(click.Group):
    """A group that knows its subcommands by name and imports one when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the subcommands in the order in which a new user meets them."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one subcommand."""
        if cmd_name not in SUBCOMMANDS:
            return None
        module, attribute, _ = SUBCOMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """List the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in SUBCOMMANDS.items()])


def _end_silently_on_interrupt() -> None:
    """Let Ctrl-C end a command without a word; who has something to stop takes it over later."""
    if threading.current_thread() is threading.main_thread():
        kept = signal.signal(signal.SIGINT, _interrupt)
        click.get_current_context().call_on_close(lambda: signal.signal(signal.SIGINT, kept))


def _interrupt(_number: int, _frame: object) -> None:
    raise SystemExit(EXIT_INTERRUPTED)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(switch.__version__, prog_name="switch", message="%(prog)s %(version)s")
def main() -> None:
    """A payment switch: ISO 8583 and JSON in, one debit at most, every answer explained.

    Start with `switch up --demo --data data`.

    Exit codes: 0 done, 1 the answer is no, 2 wrong argument or setting, 3 nothing is running,
    4 port or data folder in use, 5 not our data folder, 6 a component failed, 7 found wrong,
    130 interrupted before there was anything to stop.
    """
    import logging

    _end_silently_on_interrupt()

    # a command says in a sentence of its own what a library has to complain of
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
