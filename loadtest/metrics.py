"""What a process of the switch tells of itself at `/metrics`."""

import contextlib
import http.client
import json
from typing import Any, Final

from loadtest.instance import Instance

_TIMEOUT_S: Final = 60.0


def read_metrics(instance: Instance, name: str) -> dict[str, float]:
    """
    Return a metric's numbers by their labels as they are written, "" where there are none.

    Raises:
        OSError: nobody answers.
    """
    address, port = instance.address_of("http")
    connection = http.client.HTTPConnection(address, port, timeout=_TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    found: dict[str, float] = {}
    for line in text.splitlines():
        series, _, value = line.rpartition(" ")
        if series == name or series.startswith(f"{name}{{"):
            found[series.removeprefix(name)] = float(value)
    return found


def read_metric(instance: Instance, name: str, labels: str = "") -> float:
    """
    Return one number; 0 if it was never set.

    Raises:
        OSError: nobody answers.
    """
    return read_metrics(instance, name).get(labels, 0.0)


def read_status(instance: Instance) -> dict[str, Any]:
    """
    Return what a process says of itself and of all others at `/v1/status`.

    Raises:
        OSError: nobody answers, or it refuses.
    """
    address, port = instance.address_of("http")
    token = (instance.directory / "keys" / "operator.token").read_text().strip()
    connection = http.client.HTTPConnection(address, port, timeout=_TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request("GET", "/v1/status", headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        content = response.read()
    if response.status != http.client.OK:
        raise OSError(f"/v1/status: {response.status}")
    status: dict[str, Any] = json.loads(content)
    return status
