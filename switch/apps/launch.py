"""How every process of the switch begins and ends: data folder, sockets, signals, refusals."""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from switch.adapters.data_folder import DataFolderForeign, DataFolderHeld, lock_data_folder
from switch.apps.addresses import AddressUnusable, bind_listener, remove_addresses
from switch.apps.registrar import RegistrarUnavailable
from switch.apps.settings import Settings
from switch.apps.settings_sources import SettingsError
from switch.eventlog.journal import UnknownEvent
from switch.eventlog.port import LogSettingWrong, LogUnavailable
from switch.registrar.registrar import RegistryRefused
from switch.security.keystore import KeyStoreFault

_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_FAULTS: Final = (
    LogUnavailable,
    UnknownEvent,
    KeyStoreFault,
    RegistrarUnavailable,
    RegistryRefused,
)


class StartRefused(Exception):
    """
    The process cannot start, or cannot go on; the message says what to do.

    `kind` is `in-use` (port or data folder), `foreign-folder`, `setting` or `fault`.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Listener(NamedTuple):
    """A listener to be bound: its name in `addresses.json`, the setting that holds its address."""

    name: str
    setting: str
    address: str


def find_keys_directory(settings: Settings, data_dir: Path) -> Path:
    """
    Return the folder of the sealed keys; processes over one log share it.

    Raises:
        SettingsError: what the setting names is a file.
    """
    named = settings.security.keys_directory
    if named and Path(named).is_file():
        raise SettingsError(
            f"security.keys_directory: {named} is a file; name the folder that holds the keys"
        )
    return Path(named) if named else data_dir / "keys"


Bound = Mapping[str, socket.socket]
Failed = asyncio.Future[None]  # done only if the process cannot go on


async def run_process(
    data_dir: Path,
    listeners: Sequence[Listener],
    *,
    start: Callable[[Bound], Awaitable[Failed]],
    stop: Callable[[], Awaitable[None]],
    say_stopping: Callable[[], None],
) -> None:
    """
    Hold the data folder and the sockets, start, wait for SIGINT or SIGTERM, stop.

    `stop` is called whatever happened, also when `start` failed or was cut short by a signal.

    Raises:
        StartRefused: it cannot start, or could not go on.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    with _take_folder(data_dir), contextlib.ExitStack() as sockets:
        remove_addresses(data_dir)
        bound = {one.name: sockets.enter_context(_bind(one)) for one in listeners}
        running = asyncio.create_task(_run(start, bound, data_dir))
        waiting = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            say_stopping()
        finally:
            running.cancel()
            waiting.cancel()
            await asyncio.gather(running, waiting, return_exceptions=True)
            remove_addresses(data_dir)
            await stop()


async def _run(start: Callable[[Bound], Awaitable[Failed]], bound: Bound, data_dir: Path) -> None:
    """Start, then wait for what must not happen."""
    try:
        failed = await start(bound)
        await failed
    except (SettingsError, LogSettingWrong) as error:
        raise StartRefused("setting", str(error)) from error
    except _FAULTS as error:
        raise StartRefused("fault", str(error)) from error
    except OSError as error:
        raise StartRefused("fault", _explain(error, data_dir)) from error


def _explain(error: OSError, data_dir: Path) -> str:
    """Say what to do about what the system refused; its words name no disk."""
    if error.errno in _DISK_FULL:
        return f"the disk that holds {data_dir} is full: free some space, then start again"
    return f"{error} (data folder {data_dir})"


@contextlib.contextmanager
def _take_folder(data_dir: Path) -> Iterator[None]:
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(lock_data_folder(data_dir))
        except DataFolderHeld as error:
            raise StartRefused("in-use", str(error)) from error
        except DataFolderForeign as error:
            raise StartRefused("foreign-folder", str(error)) from error
        yield


def _bind(listener: Listener) -> socket.socket:
    try:
        return bind_listener(listener.setting, listener.address)
    except AddressUnusable as error:
        raise StartRefused("in-use" if error.is_busy else "setting", str(error)) from error
