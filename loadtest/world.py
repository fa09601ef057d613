"""The terminals that a load run brings to an instance: made by a formula, so both sides agree."""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from loadtest.terminal_list import TerminalSpec, make_test_pan
from switch.domain.transactions import TransactionType

BATCH: Final = "000001"
TERMINALS_PER_MERCHANT: Final = 4
_MERCHANT_PREFIX: Final = "8981101"  # acquirer 898, region 1101
_MCC: Final = "5411"
_MERCHANT_FIRST: Final = 5000  # below: merchants of the demo world
_AGENT: Final = "load-agent"
_CARD_COUNT: Final = 500
_TRANSACTIONS: Final = [
    each.value for each in TransactionType if each is not TransactionType.UNKNOWN
]
_CARD_FIRST: Final = 391_700


class WorldTerms(NamedTuple):
    """What the instance decides: whose terminals they are, whose cards are routed."""

    acquirer: str = "00000001"
    issuer_digits: str = "62000000"


def make_terminals(count: int, terms: WorldTerms | None = None) -> tuple[TerminalSpec, ...]:
    """Make the first `count` terminals of the load world, four to a merchant."""
    found = terms or WorldTerms()
    return tuple(_make_terminal(number, found) for number in range(count))


def _make_terminal(number: int, terms: WorldTerms) -> TerminalSpec:
    terminal_id = f"9{number:07d}"
    serial = _MERCHANT_FIRST + number // TERMINALS_PER_MERCHANT
    return TerminalSpec(
        acquirer=terms.acquirer,
        merchant_id=f"{_MERCHANT_PREFIX}{_MCC}{serial:04d}",
        terminal_id=terminal_id,
        batch=BATCH,
        mak=make_test_key(terminal_id),
        pan=make_test_pan(terms.issuer_digits, _CARD_FIRST + number % _CARD_COUNT),
    )


def make_test_key(terminal_id: str) -> str:
    """Derive a terminal's test MAK (16 bytes, hex) from its id."""
    return hashlib.sha256(f"load test MAK {terminal_id}".encode()).hexdigest()[:32].upper()


def write_registry_file(specs: Sequence[TerminalSpec]) -> str:
    """Write agent, merchants and terminals as a registry file (TOML); it holds no limits."""
    merchant_ids = dict.fromkeys(spec.merchant_id for spec in specs)
    parts = [
        f'[[agents]]\nagent_id = "{_AGENT}"\nname = "Load test agent"\nstatus = "active"\n',
        *map(_merchant_table, merchant_ids),
        *(_terminal_table(spec) for spec in specs),
    ]
    return "\n".join(parts)


def _merchant_table(merchant_id: str) -> str:
    return f"""[[merchants]]
merchant_id = "{merchant_id}"
name = "Load merchant {merchant_id[-4:]}"
status = "activated"
mcc = "{_MCC}"
agent_id = "{_AGENT}"
currency = "156"
fee_plan = {{ rate_ppm = 6000 }}
settlement_account = "load-{merchant_id[-4:]}"
transactions = {_TRANSACTIONS}
"""


def _terminal_table(spec: TerminalSpec) -> str:
    return f"""[[terminals]]
acquirer = "{spec.acquirer}"
terminal_id = "{spec.terminal_id}"
profile = "unionpay-pos"
status = "activated"
merchant_id = "{spec.merchant_id}"
transactions = {_TRANSACTIONS}
mac_algorithm = "{spec.mac_algorithm}"
mak = "{spec.mak}"
batch = "{spec.batch}"
signed_on = true
"""
