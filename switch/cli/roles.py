"""`switch gateway`, `handler`, `registrar`, `projector`: one role a process, over Kafka."""

from pathlib import Path

import click

from switch.cli.running import RunOptions, make_say, read_settings, run_options, run_to_end


@click.command()
@run_options
def gateway(
    data_dir: Path, *, demo: bool, file: Path | None, log_url: str | None, single_broker: bool
) -> None:
    """
    Run a gateway: terminals and partners on one side, the log on the other.

    Any number of them; each has a number of its own (gateway.ordinal). SIGTERM: it takes no new
    clients, answers what is in flight, and ends.
    """
    _run_role("gateway", RunOptions(data_dir, demo, file, log_url, single_broker))


@click.command()
@run_options
def handler(
    data_dir: Path, *, demo: bool, file: Path | None, log_url: str | None, single_broker: bool
) -> None:
    """
    Run a handler: it owns partitions of the journal, decides, and asks issuers.

    Any number of them share the partitions. With --demo its issuer is `switch issuer` at
    127.0.0.1:8590, unless issuer_link.links says otherwise.
    """
    _run_role("handler", RunOptions(data_dir, demo, file, log_url, single_broker))


@click.command()
@run_options
def registrar(
    data_dir: Path, *, demo: bool, file: Path | None, log_url: str | None, single_broker: bool
) -> None:
    """
    Run a registrar: the one that changes the registry.

    With --demo it loads the demo world into an empty registry, and takes keys in clear.
    """
    _run_role("registrar", RunOptions(data_dir, demo, file, log_url, single_broker))


@click.command()
@run_options
def projector(
    data_dir: Path, *, demo: bool, file: Path | None, log_url: str | None, single_broker: bool
) -> None:
    """
    Run a projector: it keeps the tables of PostgreSQL up to the journal.

    Without projector.dsn it runs a PostgreSQL of its own in its data folder.
    """
    options = RunOptions(data_dir, demo, file, log_url, single_broker)
    say = make_say()
    settings = read_settings(options)
    from switch.apps.projector_process import ProjectorProcess

    async def run() -> None:
        await ProjectorProcess(settings, data_dir, say=say).run()

    run_to_end(settings, run)
    click.echo("stopped")


def _run_role(name: str, options: RunOptions) -> None:
    say = make_say()
    settings = read_settings(options)
    from switch.apps.demo import load_demo_world
    from switch.apps.role_process import RoleProcess
    from switch.apps.roles import Role

    world = load_demo_world() if options.demo else None

    async def run() -> None:
        await RoleProcess(settings, options.data_dir, Role(name), demo=world, say=say).run()

    run_to_end(settings, run)
    click.echo("stopped; nothing is lost")
