"""Makes the load world known to an instance: asks for its issuers, loads a registry file."""

import http.client
import json
from pathlib import Path
from typing import Any, Final

from loadtest.instance import Instance, InstanceError
from loadtest.terminal_list import TerminalSpec
from loadtest.world import WorldTerms, make_terminals, write_registry_file

_TOKEN_FILE: Final = Path("keys") / "operator.token"
_TIMEOUT_S: Final = 120.0
_TERMINALS_PER_FILE: Final = 200  # one file is one record of the registry log, 128 KiB at most
_IN_SERVICE: Final = "in-service"


def prepare_world(instance: Instance, terminal_count: int) -> tuple[TerminalSpec, ...]:
    """
    Load the terminals of a run into an instance; loading them again changes nothing.

    Raises:
        InstanceError: the instance has no routed issuer, or refuses the registry file.
    """
    terms = find_terms(instance)
    specs = make_terminals(terminal_count, terms)
    for start in range(0, len(specs), _TERMINALS_PER_FILE):
        content = write_registry_file(specs[start : start + _TERMINALS_PER_FILE]).encode()
        _exchange(instance, "POST", "/v1/registry/load", content)
    return specs


def find_terms(instance: Instance) -> WorldTerms:
    """
    Find the acquirer and the issuer that the load world is to use.

    Raises:
        InstanceError: there is no acquirer, or no issuer in service with a route in service.
    """
    acquirers = [row["acquirer_id"] for row in _list(instance, "acquirers")]
    routed = {row["issuer_id"] for row in _list(instance, "routes") if _serves(row)}
    bins = [
        digits
        for row in _list(instance, "issuers")
        if row["issuer_id"] in routed and _serves(row)
        for digits in row["bins"]
    ]
    if not acquirers or not bins:
        raise InstanceError("the registry has no acquirer, or no issuer with a route in service")
    default = WorldTerms()
    acquirer = default.acquirer if default.acquirer in acquirers else acquirers[0]
    return WorldTerms(acquirer=acquirer, issuer_digits=_choose_bin(bins, default.issuer_digits))


def _choose_bin(bins: list[str], wished: str) -> str:
    """Take the one below which the test PANs of the demo lie, or else the first."""
    matching = [digits for digits in bins if wished.startswith(digits)]
    return wished if matching else bins[0]


def _serves(row: dict[str, Any]) -> bool:
    return bool(row.get("status", _IN_SERVICE) == _IN_SERVICE)


def _list(instance: Instance, kind: str) -> list[dict[str, Any]]:
    rows = _exchange(instance, "GET", f"/v1/registry/{kind}")[kind]
    assert isinstance(rows, list)
    return rows


def _exchange(instance: Instance, method: str, path: str, body: bytes = b"") -> Any:  # noqa: ANN401 - JSON
    name, port = instance.address_of("http")
    try:
        token = (instance.directory / _TOKEN_FILE).read_text().strip()
    except OSError as error:
        raise InstanceError(f"no operator's token in {instance.directory}: {error}") from error
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/toml"}
    connection = http.client.HTTPConnection(name, port, timeout=_TIMEOUT_S)
    try:
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise InstanceError(f"{method} {path}: no answer: {error}") from error
    finally:
        connection.close()
    if response.status >= http.client.BAD_REQUEST:
        raise InstanceError(f"{method} {path}: {response.status} {content[:2000].decode()}")
    return json.loads(content)
