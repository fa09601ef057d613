"""Keys as files of one directory: sealed under a master key, shared by the host's processes."""

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from switch.security.keystore import KeyStoreFault, check_key_name
from switch.security.sealing import KEY_BYTES, SealBroken, Sealer

MASTER_FILE: Final = "master.key"
SUFFIX: Final = ".sealed"
DOOMED: Final = ".doomed-"  # on its way out; a crash may leave one, the next start erases it
_ATTEMPT_COUNT_MAX: Final = 3  # a key may vanish between two looks at it, but not again and again


class FileKeyStore:
    """
    The key store of one data directory.

    `master.key` (mode 0600, 64 hex digits) seals every other key; each is a file `NAME.sealed`,
    bound to its name. Files appear whole or not at all, and the first of several processes wins.
    Losing `master.key` loses every stored card: back it up apart from the logs.
    """

    def __init__(self, directory: Path) -> None:
        """
        Open the directory, making it and its master key if needed.

        Raises:
            KeyStoreFault: not readable, not writable, or readable by others.
        """
        self._directory = directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            master = directory / MASTER_FILE
            if not master.exists():
                self._create(master, secrets.token_bytes(KEY_BYTES).hex().encode(), durable=True)
            self._master = Sealer(_read_master(master))
            for left_over in directory.glob(f".*{DOOMED}*"):
                _erase(left_over)
        except OSError as error:
            raise _fault_of(error, directory) from error

    def __repr__(self) -> str:
        return f"FileKeyStore({str(self._directory)!r})"

    def ensure_key(self, name: str, *, durable: bool) -> bytes:
        """
        Return the key of that name; make a random one if there is none.

        Raises:
            KeyStoreFault: the file cannot be read or written; the message says what to do.
        """
        for _ in range(_ATTEMPT_COUNT_MAX):
            key = self.find_key(name)
            if key is not None:
                return key
            sealed = self._master.seal(secrets.token_bytes(KEY_BYTES), name)
            try:
                self._create(self._path_of(name), sealed, durable=durable)
            except OSError as error:
                raise _fault_of(error, self._directory) from error
        raise KeyStoreFault(f"the key {name!r} vanishes as soon as it is made; who deletes it?")

    def find_key(self, name: str) -> bytes | None:
        """
        Return the key of that name, or None.

        Raises:
            KeyStoreFault: the file cannot be read, or another master key sealed it.
        """
        path = self._path_of(name)
        try:
            return self._master.open(path.read_bytes(), name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _fault_of(error, self._directory) from error
        except SealBroken:
            raise KeyStoreFault(
                f"{path} does not open under {MASTER_FILE} beside it: one of the two is from "
                "another data directory; restore the pair from its backup"
            ) from None

    def destroy_key(self, name: str) -> None:
        """
        Take a key out of reach, overwrite its file and remove it.

        Raises:
            KeyStoreFault: the file cannot be removed.
        """
        path = self._path_of(name)
        doomed = self._directory / f".{path.name}{DOOMED}{secrets.token_hex(8)}"
        try:
            path.rename(doomed)  # a reader sees the whole key or none
            _erase(doomed)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _fault_of(error, self._directory) from error

    def list_names(self, prefix: str) -> tuple[str, ...]:
        """
        Return the names that begin with `prefix`, in alphabetical order.

        Raises:
            KeyStoreFault: the directory cannot be read.
        """
        try:
            files = os.listdir(self._directory)  # noqa: PTH208 - names are wanted, not paths
        except OSError as error:
            raise _fault_of(error, self._directory) from error
        return tuple(
            sorted(
                file.removesuffix(SUFFIX)
                for file in files
                if file.startswith(prefix) and file.endswith(SUFFIX)
            )
        )

    def _path_of(self, name: str) -> Path:
        check_key_name(name)
        return self._directory / (name + SUFFIX)

    def _create(self, path: Path, content: bytes, *, durable: bool) -> None:
        """Write a file that appears whole under its name, unless another was there first."""
        draft = self._directory / f".{path.name}.{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                return
        finally:
            draft.unlink(missing_ok=True)
        if durable:
            _sync_directory(self._directory)


def _erase(path: Path) -> None:
    """Overwrite a file and remove it; another process may be at it too."""
    try:
        with path.open("r+b") as file:
            file.write(bytes(os.fstat(file.fileno()).st_size))
    except FileNotFoundError:
        return
    path.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    """Make a new name durable; the file's content was before."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_master(path: Path) -> bytes:
    """Read the master key; refuse one that others on this host can read."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise KeyStoreFault(f"{path} can be read by others; run: chmod 600 {path}")
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyStoreFault(f"{path} is not a master key of 64 hex digits; restore its backup")
    return key


def _fault_of(error: OSError, directory: Path) -> KeyStoreFault:
    """Say what the system said, and where."""
    return KeyStoreFault(
        f"cannot use the key directory {directory}: {error.strerror or error}; "
        "check its owner, its mode (0700) and the space left on its disk"
    )
