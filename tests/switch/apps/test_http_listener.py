import asyncio
import http.client
import socket

import pytest

from switch.adapters.http_api import ApiPorts, HttpApi
from switch.adapters.telemetry import make_telemetry
from switch.apps.addresses import bound_address
from switch.apps.http_listener import HttpListener, bound_http_connections
from switch.apps.settings import HttpSettings
from switch.domain.registry.view import Registry


async def make_status():
    return {}


async def make_page(_may_see_payments):
    raise AssertionError("nobody asks for it here")


def make_api():
    return HttpApi(
        ApiPorts(
            operators=Registry(),
            telemetry=make_telemetry("test"),
            status=make_status,
            page=make_page,
            version="1",
            operator_token="op_test",
            request_bytes_max=1_024,
            registry_bytes_max=1_024,
        )
    )


async def test_it_serves_until_it_is_stopped_and_then_the_port_is_free():
    listener = HttpListener(make_api(), HttpSettings())
    bound = socket.create_server(("127.0.0.1", 0))
    address = bound_address(bound)
    listener.start(bound)

    def ask():
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
        connection.close()
        return status

    assert await asyncio.to_thread(ask) == 200
    await listener.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(ask)
    bound.close()


async def test_stopping_what_never_served_is_fine():
    await HttpListener(make_api(), HttpSettings()).stop()


@pytest.mark.parametrize(
    ("open_files_max", "connection_count_max"), [(1_000_000, 2_000), (1_024, 256), (1, 1)]
)
def test_http_leaves_most_files_of_a_low_limit_to_the_others(open_files_max, connection_count_max):
    assert bound_http_connections(HttpSettings(), open_files_max) == connection_count_max
