"""What `switch up --demo` and `switch pos` know of the demo world, read from its file."""

import tomllib
from typing import Any, Final

import msgspec

DEMO_PAN: Final = "6200000000000005"  # a public test number of UnionPay's range
DEMO_EXPIRATION_DATE: Final = "3012"
DEMO_TERMINAL_ID: Final = "00000001"


class DemoTerminal(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal as it leaves the shop; its keys are in clear, empty where it has none."""

    acquirer: str
    terminal_id: str
    profile: str
    merchant_id: str
    batch: str
    mac_algorithm: str
    mak: bytes
    key_scheme: str = "003"
    tmk: bytes = b""
    pik: bytes = b""
    pin_format: str = "iso-0"
    serial_number: str = ""

    def __repr__(self) -> str:
        """Hide the key."""
        return f"DemoTerminal({self.acquirer!r}, {self.terminal_id!r}, <hidden>)"

    __str__ = __repr__


class DemoWorld(msgspec.Struct, frozen=True, kw_only=True):
    """The demo's names: `link` leads to DEMO_PAN's issuer, `api_key` is the first partner's."""

    document: bytes
    acquirer: str
    link: str
    api_key: str
    terminals: tuple[DemoTerminal, ...]

    def __repr__(self) -> str:
        """Hide the keys."""
        return f"DemoWorld({self.acquirer!r}, {self.link!r}, <hidden>)"

    __str__ = __repr__

    @property
    def merchant_id(self) -> str:
        """The merchant of the first terminal."""
        return self.terminals[0].merchant_id

    def find_terminal(self, terminal_id: str | None, profile: str | None) -> DemoTerminal | None:
        """Find a terminal by DE 41 and dialect; what is not given may be any."""
        for terminal in self.terminals:
            if terminal_id in {None, terminal.terminal_id} and profile in {None, terminal.profile}:
                return terminal
        return None


def load_demo_world() -> DemoWorld:
    """Read the demo world that comes with the program."""
    from switch.demo.world import demo_registry_document  # noqa: PLC0415 - for the demo only

    return read_demo_world(demo_registry_document())


def read_demo_world(document: bytes | str) -> DemoWorld:
    """Read a registry file; the terminal DEMO_TERMINAL_ID comes first."""
    content = document.encode() if isinstance(document, str) else document
    tables = tomllib.loads(content.decode())
    terminals = [_read_terminal(table) for table in tables["terminals"]]
    terminals.sort(key=lambda terminal: terminal.terminal_id != DEMO_TERMINAL_ID)
    return DemoWorld(
        document=content,
        acquirer=terminals[0].acquirer,
        link=_find_link(tables),
        api_key=next(client["api_key"] for client in tables["clients"] if "api_key" in client),
        terminals=tuple(terminals),
    )


def _read_terminal(table: dict[str, Any]) -> DemoTerminal:
    return DemoTerminal(
        acquirer=table["acquirer"],
        terminal_id=table["terminal_id"],
        profile=table["profile"],
        merchant_id=table.get("merchant_id", ""),
        batch=table.get("batch", ""),
        mac_algorithm=table.get("mac_algorithm", "unionpay-ecb"),
        mak=bytes.fromhex(table.get("mak", "")),
        key_scheme=table.get("key_scheme", "003"),
        tmk=bytes.fromhex(table.get("tmk", "")),
        pik=bytes.fromhex(table.get("pik", "")),
        pin_format=table.get("pin_format", "iso-0"),
        serial_number=table.get("serial_number", ""),
    )


def _find_link(tables: dict[str, Any]) -> str:
    """Follow the demo card: the longest BIN, then the route that is tried first."""
    fitting = [
        (len(digits), issuer["issuer_id"])
        for issuer in tables["issuers"]
        for digits in issuer["bins"]
        if DEMO_PAN.startswith(digits)
    ]
    _, issuer_id = max(fitting)
    routes = [route for route in tables["routes"] if route["issuer_id"] == issuer_id]
    first = min(routes, key=lambda route: (route.get("priority", 0), route["route_id"]))
    link: str = first["link"]
    return link
