"""How a command finds the running instance and talks to it: by its data folder, over HTTP."""

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import click

from switch.adapters.data_folder import find_last_command
from switch.apps.addresses import parse_address, read_addresses
from switch.cli.failure import (
    EXIT_FAULT,
    EXIT_NO,
    EXIT_USAGE,
    CommandFailure,
    not_running_failure,
    usage_failure,
)

DEFAULT_DATA: Final = "data"
KEY_VARIABLE: Final = "SWITCH_OPERATOR_KEY"
OPERATOR_TOKEN_FILE: Final = Path("keys") / "operator.token"
TIMEOUT_S: Final = 60.0
# Whose folder is wanted where the roles run apart, and for what.
PROJECTOR_FOLDER: Final = "a projector (tables: payments, settlement, projections)"
GATEWAY_FOLDER: Final = "a gateway (terminals, cases)"
REGISTRAR_FOLDER: Final = "a registrar (changes of the registry)"
_REGISTRY_PATH: Final = "/v1/registry"
_CLIENT_ERRORS: Final = range(400, 500)
_NOT_FOUND: Final = 404

data_option = click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    show_default=True,
    envvar="SWITCH_DATA",
    help="Data folder of the running instance.",
)


class InstanceClient:
    """A running instance, as a command sees it."""

    def __init__(self, data_dir: Path, *, operator_key: str = "", url: str = "") -> None:
        """
        Find the instance; `operator_key` is a person's, instead of the token of the machine.

        With `url` (http://HOST:PORT) it is that one, wherever it runs.

        Raises:
            CommandFailure: nothing is running over this data folder (exit code 3), or that is no
                such URL (2).
        """
        self.data_dir = data_dir
        self._operator_key = operator_key
        self._url = url
        if url:
            self.addresses = _read_url(url)
            return
        addresses = read_addresses(data_dir)
        if addresses is None:
            raise not_running_failure(
                f"nothing is running over the data folder {data_dir}."
                f" {_say_how_to_start(data_dir)}, or name another folder with --data."
            )
        self.addresses = addresses

    def address(self, listener: str) -> tuple[str, int]:
        """
        Return name and port of a listener.

        Raises:
            CommandFailure: the instance has no such listener (exit code 2).
        """
        found = self.addresses.get(listener)
        if not isinstance(found, str) or not found:
            if self.role:
                raise self.wrong_folder_failure(GATEWAY_FOLDER)
            raise CommandFailure(f"the instance has no listener {listener!r}", EXIT_USAGE)
        return parse_address(found)

    @property
    def role(self) -> str:
        """The role that runs by itself over this folder; empty where all of them do."""
        return str(self.addresses.get("role", ""))

    def wrong_folder_failure(self, wanted: str) -> CommandFailure:
        """Build the failure for a folder of the wrong role (exit code 2)."""
        return usage_failure(
            f"{self.data_dir} is the folder of a {self.role}: name that of {wanted}"
        )

    @property
    def operator_token(self) -> str:
        """The token that proves an operator of this host; empty if it cannot be read."""
        try:
            return (self.data_dir / OPERATOR_TOKEN_FILE).read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    def _find_key(self) -> str:
        """Return the key to send; the token of this machine is nothing for another one's ears."""
        return self._operator_key or ("" if self._url else self.operator_token)

    def _explain_unknown_key(self) -> str:
        place = self._url or f"the instance over {self.data_dir}"
        if self._operator_key:
            return (
                f"{place} does not know the key in {KEY_VARIABLE}: the registry holds another of"
                " this operator, or none; `switch registry load` changes that"
            )
        if self._url:
            return f"{place} wants to know who asks: put an operator's key into {KEY_VARIABLE}"
        return (
            f"{place} does not take the token in {self.data_dir / OPERATOR_TOKEN_FILE}: it was"
            f" replaced after the start, or cannot be read. Put an operator's key into"
            f" {KEY_VARIABLE}, or start the instance again"
        )

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        """
        Fetch one resource with the operator's token.

        Raises:
            CommandFailure: refused (1), of another role (2), not running (3) or failed (6), with
                what the server says.
        """
        return self._exchange("GET", path + (f"?{urlencode(query)}" if query else ""), b"", "")

    def post(self, path: str, body: bytes, content_type: str, *, idempotency_key: str = "") -> Any:  # noqa: ANN401 - JSON
        """
        Send a body with the operator's token.

        Raises:
            CommandFailure: refused (1), of another role (2), not running (3) or failed (6), with
                what the server says.
        """
        return self._exchange("POST", path, body, content_type, idempotency_key)

    def _exchange(
        self, method: str, path: str, body: bytes, content_type: str, idempotency_key: str = ""
    ) -> Any:  # noqa: ANN401 - JSON
        name, port = self.address("http")
        headers = {"Authorization": f"Bearer {self._find_key()}"}
        if content_type:
            headers["Content-Type"] = content_type
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        connection = http.client.HTTPConnection(name, port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            answer = response.read()
        except ConnectionRefusedError as error:
            if self._url:
                raise not_running_failure(f"nothing listens on {name}:{port}") from error
            raise not_running_failure(
                f"{self.data_dir} says that an instance listens on {name}:{port}, but nothing does:"
                f" it was killed. {_say_how_to_start(self.data_dir)}."
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise CommandFailure(f"no answer from {name}:{port}: {error}", EXIT_FAULT) from error
        finally:
            connection.close()
        content = _decode(answer)
        if response.status == http.client.UNAUTHORIZED:
            raise CommandFailure(self._explain_unknown_key(), EXIT_NO)
        if response.status == http.client.SERVICE_UNAVAILABLE and self.role:
            self._refuse_role(method, path, content)
        if response.status >= http.client.BAD_REQUEST:
            raise CommandFailure(
                _explain(response.status, content),
                EXIT_NO if response.status in _CLIENT_ERRORS else EXIT_FAULT,
            )
        return content

    def _refuse_role(self, method: str, path: str, content: Any) -> None:  # noqa: ANN401 - JSON
        """
        See whether what is unavailable will never be there, at this process.

        Raises:
            CommandFailure: so it is (2).
        """
        kind = content.get("type", "") if isinstance(content, dict) else ""
        if kind.endswith(":role-elsewhere"):
            is_registry = path.startswith(_REGISTRY_PATH)
            raise self.wrong_folder_failure(REGISTRAR_FOLDER if is_registry else GATEWAY_FOLDER)
        is_gateway = self.role == "gateway"
        if is_gateway and method == "GET" and not self.addresses.get("postgres"):
            raise usage_failure(_explain(http.client.SERVICE_UNAVAILABLE, content))


def _say_how_to_start(data_dir: Path) -> str:
    """Name the command that was run over a folder the last time: it may have been one role."""
    last = find_last_command(data_dir)
    if last:
        return f"Start it as it was the last time, with `{last}`"
    return f"Start it with `switch up --demo --data {data_dir}`"


def _read_url(url: str) -> dict[str, str | int]:
    address = url.removeprefix("http://").rstrip("/")
    try:
        parse_address(address)
    except ValueError as error:
        raise CommandFailure(f"--url: {error}", EXIT_USAGE) from error
    return {"http": address}


def path_of(*parts: str) -> str:
    """Join path segments, each escaped."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _decode(answer: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(answer)
    except ValueError:
        return answer.decode("utf-8", "replace")


def _explain(status: int, content: Any) -> str:  # noqa: ANN401 - JSON
    if not isinstance(content, dict):
        return f"the instance answered {status}"
    lines = [str(content.get("detail") or content.get("title") or f"answered {status}")]
    lines += [f"  - {each}" for each in content.get("errors", ())]
    return "\n".join(lines)
