"""The switch under load: one of its own, started and stopped here, or a running one."""

import ipaddress
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

ADDRESSES_FILE: Final = "addresses.json"
READY_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 15.0
_POLL_S: Final = 0.02
_FREE_PORTS: Final = {
    "SWITCH__GATEWAY__UNIONPAY_POS_ADDRESS": "127.0.0.1:0",
    "SWITCH__GATEWAY__ISO1987_ASCII_ADDRESS": "127.0.0.1:0",
    "SWITCH__HTTP__ADDRESS": "127.0.0.1:0",
    "SWITCH__ISSUER_SIMULATOR__ADDRESS": "127.0.0.1:0",
    "SWITCH__TELEMETRY__LOG_FORMAT": "json",
}


class InstanceError(Exception):
    """There is no switch to put under load; the message says why and what to do."""


class NotLoopback(InstanceError):
    """The address is not on this machine; load is only ever put on this machine."""


def parse_loopback(text: str) -> tuple[str, int]:
    """
    Read ``127.0.0.1:8583``.

    Raises:
        NotLoopback: any other machine's address, or a name that must be looked up.
        InstanceError: not an address with a port.
    """
    name, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise InstanceError(f"{text!r} is not an address with a port")
    name = "127.0.0.1" if name == "localhost" else name.strip("[]")
    try:
        is_loopback = ipaddress.ip_address(name).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise NotLoopback(f"{text} is not a loopback address; load goes to this machine only")
    return name, int(port)


def read_addresses(directory: Path) -> dict[str, object] | None:
    """Read where the instance of a data folder listens; None while it is not ready."""
    try:
        found = json.loads((directory / ADDRESSES_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def raise_open_files_limit(count: int) -> int:
    """Allow this process (and its children) so many open files; returns what is allowed now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


class Instance:
    """A running switch with its data folder; `process` is None if somebody else started it."""

    def __init__(
        self,
        directory: Path,
        addresses: Mapping[str, object],
        process: subprocess.Popen[bytes] | None = None,
        ready_s: float = 0.0,
    ) -> None:
        self.directory = directory
        self.addresses = addresses
        self.process = process
        self.ready_s = ready_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Return the process id, if it was started here."""
        return self.process.pid if self.process else None

    @property
    def is_running(self) -> bool:
        """Whether the process that was started here has not ended."""
        return self.process is not None and self.process.poll() is None

    def address_of(self, listener: str) -> tuple[str, int]:
        """
        Return where a listener can be reached.

        Raises:
            InstanceError: the instance has no such listener, or it is not on loopback.
        """
        if listener not in self.addresses:
            raise InstanceError(f"{self.directory}: the instance has no listener {listener!r}")
        return parse_loopback(str(self.addresses[listener]))

    def stop(self) -> float:
        """Ask the own process to end, insist if it does not; returns the seconds that it took."""
        started_s = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return time.monotonic() - started_s

    def kill(self) -> None:
        """End the own process without a warning (SIGKILL)."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def find_instance(directory: Path) -> Instance:
    """
    Attach to the instance that runs in a data folder.

    Raises:
        InstanceError: none is ready there, or it does not listen on loopback.
    """
    addresses = read_addresses(directory)
    if addresses is None:
        raise InstanceError(
            f"{directory}: no instance is ready there; start one with"
            f" `switch up --demo --data {directory}`"
        )
    return Instance(directory, addresses)


def start_instance(
    directory: Path,
    output: Path,
    settings: Mapping[str, str] | None = None,
    profile: Path | None = None,
) -> Instance:
    """
    Start `switch up --demo` on free ports and wait until it is ready.

    Args:
        directory: its data folder; made if it is missing.
        output: file that gets what the process prints.
        settings: SWITCH__... variables beside those for free ports.
        profile: file that gets the profile of its main process once it has stopped.

    Raises:
        InstanceError: it ended or was not ready in time; the message shows its last lines.
    """
    profiler = ["-m", "cProfile", "-o", str(profile)] if profile else []
    arguments = [*profiler, "-m", "switch", "up", "--demo"]
    return begin_instance(directory, output, arguments, settings).wait_ready()


def begin_instance(
    directory: Path, output: Path, arguments: list[str], settings: Mapping[str, str] | None = None
) -> "StartingInstance":
    """Start one process of the switch on free ports: `python ARGUMENTS --data directory`."""
    (directory / ADDRESSES_FILE).unlink(missing_ok=True)  # of one that was killed
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("ab") as file:
        process = subprocess.Popen(  # noqa: S603 - our own program with our own arguments
            [sys.executable, *arguments, "--data", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_FREE_PORTS, **(settings or {})},
        )
    return StartingInstance(directory, output, process)


class StartingInstance:
    """A process that is not ready yet."""

    def __init__(self, directory: Path, output: Path, process: subprocess.Popen[bytes]) -> None:
        self.directory = directory
        self.process = process
        self._output = output
        self._started_s = time.monotonic()

    def wait_ready(self) -> Instance:
        """
        Wait until it says where it listens.

        Raises:
            InstanceError: it ended or was not ready in time; the message shows its last lines.
        """
        process = self.process
        while (addresses := read_addresses(self.directory)) is None:
            is_late = time.monotonic() - self._started_s > READY_TIMEOUT_S
            if process.poll() is not None or is_late:
                Instance(self.directory, {}, process).stop()
                code = process.returncode
                what = f"ended with {code}" if code > 0 else "is not ready"
                words = _last_lines(self._output)
                raise InstanceError(f"{self.directory}: the switch {what}; last lines:\n{words}")
            time.sleep(_POLL_S)
        return Instance(self.directory, addresses, process, time.monotonic() - self._started_s)


def _last_lines(path: Path, count: int = 20) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-count:])
