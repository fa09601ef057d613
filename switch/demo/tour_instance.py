"""The tour's own instance: a real `switch up --demo`, started, killed and ended by its pid."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

READY_TIMEOUT_S: Final = 60.0  # two or three seconds; the first start makes a database
STOP_TIMEOUT_S: Final = 10.0  # it promises five
GONE_TIMEOUT_S: Final = 5.0
POLL_S: Final = 0.02
SHOWN_LINES: Final = 12
_SETTING_PREFIX: Final = "SWITCH__"
# a free port for every listener: a running demo, or another tour, is not disturbed
_SETTINGS: Final = {
    "SWITCH__GATEWAY__UNIONPAY_POS_ADDRESS": "127.0.0.1:0",
    "SWITCH__GATEWAY__ISO1987_ASCII_ADDRESS": "127.0.0.1:0",
    "SWITCH__HTTP__ADDRESS": "127.0.0.1:0",
    "SWITCH__ISSUER_SIMULATOR__ADDRESS": "127.0.0.1:0",
    "SWITCH__TELEMETRY__LOG_FORMAT": "json",
}

FoundT = TypeVar("FoundT")
Say = Callable[[str], None]


class TourFault(Exception):
    """The tour cannot go on: not a verdict, but something that it stands on gave way."""


def wait_for(
    look: Callable[[], FoundT | None], within_s: float, poll_s: float = POLL_S
) -> FoundT | None:
    """Look until something true is found and return it; None if that takes too long."""
    give_up_at = time.monotonic() + within_s
    while not (found := look()):
        if time.monotonic() > give_up_at:
            return None
        time.sleep(poll_s)
    return found


class TourInstance:
    """
    One instance in its own process group, so that nothing of it can be missed.

    `folder` holds its data folder and what it prints; `log_url` is empty for the embedded log.
    """

    def __init__(self, folder: Path, log_url: str, environment: Mapping[str, str]) -> None:
        self.data_dir = folder / "data"
        self.output = folder / "switch-up.log"
        self._log_url = log_url
        self._environment = {
            name: value
            for name, value in environment.items()
            if not name.startswith(_SETTING_PREFIX)
        } | _SETTINGS
        if log_url:  # topics of its own, removed in the end: one copy will do
            self._environment["SWITCH__LOG__SINGLE_BROKER"] = "true"
        self._process: subprocess.Popen[bytes] | None = None
        self._addresses: dict[str, object] = {}
        self._output_start = 0

    @property
    def ledger_path(self) -> Path:
        """The issuer's own ledger."""
        return self.data_dir / "issuer-ledger.jsonl"

    @property
    def pid(self) -> int:
        """The process that was started last; 0 if none was."""
        return self._process.pid if self._process else 0

    def address(self, listener: str) -> tuple[str, int]:
        """
        Return where the running instance listens.

        Raises:
            TourFault: it has no such listener.
        """
        name, _, port = str(self._addresses.get(listener, "")).rpartition(":")
        if not port.isdecimal():
            raise TourFault(f"the instance does not say where its {listener} listens")
        return name, int(port)

    @property
    def log_url(self) -> str:
        """The event log in use."""
        return str(self._addresses.get("log", self._log_url))

    def start(self, say: Say) -> float:
        """
        Start it and wait until it is ready; return the seconds that took.

        Raises:
            TourFault: it ended, or was not ready in time; the message has its last words.
        """
        command = [sys.executable, "-m", "switch", "up", "--demo", "--data", str(self.data_dir)]
        if self._log_url:
            command += ["--log", self._log_url]
        started_at = time.monotonic()
        self._output_start = self.output.stat().st_size if self.output.exists() else 0
        addresses_path = self.data_dir / "addresses.json"
        addresses_path.unlink(missing_ok=True)  # of an instance that was killed
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,
            )
        told = ""
        while not addresses_path.exists():
            if (last := self._last_progress()) != told:
                told = last
                say(f"starting: {told}")
            if self._process.poll() is not None:
                raise TourFault(f"`switch up` ended by itself:\n{self.last_lines(SHOWN_LINES)}")
            if time.monotonic() - started_at > READY_TIMEOUT_S:
                raise TourFault(
                    f"`switch up` was not ready within {READY_TIMEOUT_S:.0f} s:\n"
                    + self.last_lines(SHOWN_LINES)
                )
            time.sleep(POLL_S)
        self._addresses = json.loads(addresses_path.read_text(encoding="utf-8"))
        return time.monotonic() - started_at

    def kill(self) -> None:
        """End the whole process group at once (SIGKILL), as a machine that loses power."""
        if self._process is None:
            return
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        self._wait_gone()

    def stop(self) -> None:
        """Ask it to stop; insist if it does not. Nothing of it is left afterwards."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
        self.kill()

    def last_lines(self, count: int) -> str:
        """Return the end of what it printed since its last start."""
        return "\n".join(self._read_output()[-count:])

    def _last_progress(self) -> str:
        """Return the last line that it wrote for people; its log lines are JSON."""
        lines = [line.strip() for line in self._read_output() if not line.startswith("{")]
        return lines[-1] if lines else ""

    def _read_output(self) -> list[str]:
        with self.output.open("rb") as output:
            output.seek(self._output_start)
            return output.read().decode("utf-8", "replace").splitlines()

    def _signal_group(self, number: int) -> bool:
        assert self._process is not None
        try:
            os.killpg(self._process.pid, number)  # the leader's pid is the group's id
        except ProcessLookupError:
            return False
        return True

    def _wait_gone(self) -> None:
        """Wait for the rest of the group, and for the database that lives in a group of its own."""
        wait_for(lambda: not self._signal_group(0), GONE_TIMEOUT_S)
        database = self._find_database()
        if database and not wait_for(lambda: not _is_alive(database), GONE_TIMEOUT_S):
            with contextlib.suppress(ProcessLookupError):
                os.kill(database, signal.SIGKILL)

    def _find_database(self) -> int:
        """Find PostgreSQL by its own note, if it is still there and truly over our folder."""
        try:
            pid = int((self.data_dir / "pg" / "postmaster.pid").read_text().split("\n", 1)[0])
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return 0
        return pid if os.fsencode(self.data_dir / "pg") in arguments else 0


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
