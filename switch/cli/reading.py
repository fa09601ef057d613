"""How commands read a running instance: its PostgreSQL and its logs, by its data folder."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote

from switch.cli.client import PROJECTOR_FOLDER, InstanceClient
from switch.cli.failure import (
    EXIT_FAULT,
    CommandFailure,
    not_running_failure,
    usage_failure,
)

if TYPE_CHECKING:
    from projections.database import Connection
    from switch.eventlog.port import EventLog

AnswerT = TypeVar("AnswerT")
LOG_FILE: Final = "log.db"


def read_database(data_dir: Path, ask: "Callable[[Connection], Awaitable[AnswerT]]") -> AnswerT:
    """
    Connect to the instance's PostgreSQL, ask, and disconnect.

    Raises:
        CommandFailure: another role's folder (2); nothing runs, or PostgreSQL cannot be reached
            (3); it has no tables yet (6).
    """
    client = InstanceClient(data_dir)
    dsn = client.addresses.get("postgres")
    if not isinstance(dsn, str) or not dsn:
        if client.role:
            raise client.wrong_folder_failure(PROJECTOR_FOLDER)
        raise not_running_failure(
            f"the instance over {data_dir} has no PostgreSQL yet; wait until `switch up` says that"
            " it is ready"
        )
    return asyncio.run(_ask(dsn, data_dir, ask))


async def _ask(
    dsn: str, data_dir: Path, ask: "Callable[[Connection], Awaitable[AnswerT]]"
) -> AnswerT:
    import asyncpg

    from projections.runner import connect, disconnect

    try:
        connection = await connect(dsn, "public")
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise not_running_failure(
            f"PostgreSQL of the instance over {data_dir} cannot be reached ({error}). If "
            f"`switch up --data {data_dir}` still runs, see {data_dir}/pg.log; payments go on "
            "without it. If it was killed, start it again"
        ) from error
    try:
        return await ask(connection)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        raise CommandFailure(
            "the projections have made no tables yet; wait a moment, then see "
            "`switch projection status`",
            EXIT_FAULT,
        ) from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CommandFailure(f"PostgreSQL says: {error}", EXIT_FAULT) from error
    finally:
        await disconnect(connection)


async def open_instance_log(data_dir: Path) -> "EventLog":
    """
    Open the instance's event log for reading; an embedded one also while nothing runs.

    Raises:
        CommandFailure: there is no log (3), or it cannot be opened (6).
    """
    return await open_log_for_reading(_find_log(data_dir))


async def open_log_for_reading(log_url: str) -> "EventLog":
    """
    Open the log at this URL; who asks Kafka is proved by `SWITCH__LOG__...` in the environment.

    Raises:
        CommandFailure: a setting cannot be (2), or the log cannot be opened (6).
    """
    from switch.adapters.open_log import open_log
    from switch.apps.log_settings import make_kafka_security
    from switch.apps.settings_sources import SettingsError, load_settings
    from switch.eventlog.port import LogSettingWrong, LogUnavailable

    try:
        log = load_settings(file=None, environment=os.environ).settings.log
        return await open_log(log_url, read_only=True, security=make_kafka_security(log))
    except (SettingsError, LogSettingWrong) as error:
        raise usage_failure(str(error)) from error
    except LogUnavailable as error:
        raise CommandFailure(str(error), EXIT_FAULT) from error


def _find_log(data_dir: Path) -> str:
    from switch.apps.addresses import read_addresses

    url = (read_addresses(data_dir) or {}).get("log")
    if isinstance(url, str) and url:
        return url
    file = data_dir.absolute() / LOG_FILE
    if file.exists():
        return f"sqlite://{quote(str(file))}"
    raise not_running_failure(
        f"there is no event log in the data folder {data_dir}. Start an instance with "
        f"`switch up --demo --data {data_dir}`, or name its folder with --data."
    )
