"""What the registry knows, as its events carry it: frozen values, one kind a struct."""

import enum
import functools
from typing import Final

import msgspec

from switch.domain.fees import FeePlan
from switch.domain.transactions import TransactionType

MERCHANT_ID_LENGTH: Final = 15  # DE 42: acquirer 3 + region 4 + MCC 4 + serial 4
_MCC_AT: Final = slice(7, 11)


@functools.lru_cache(maxsize=4_096)  # asked at every payment
def mcc_of_merchant_id(merchant_id: str) -> str | None:
    """Read the MCC that a 15-digit merchant id spells; None for an id of another make."""
    if len(merchant_id) != MERCHANT_ID_LENGTH or not (
        merchant_id.isascii() and merchant_id.isdecimal()
    ):
        return None
    return merchant_id[_MCC_AT]


class MerchantStatus(enum.Enum):
    """Where a merchant stands; only an activated one may start a payment."""

    DRAFT = "draft"
    APPLIED = "applied"
    UNDER_REVIEW = "under-review"
    REJECTED = "rejected"
    APPROVED = "approved"
    ACTIVATED = "activated"
    SUSPENDED = "suspended"
    FROZEN = "frozen"
    CLOSED = "closed"


class AgentStatus(enum.Enum):
    """Where an agent stands; an agent that is not active blocks its whole subtree."""

    APPLIED = "applied"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


class TerminalStatus(enum.Enum):
    """Where a terminal stands, from the warehouse to the scrap heap."""

    IN_STOCK = "in-stock"
    ASSIGNED = "assigned"
    BOUND = "bound"
    KEYED = "keyed"
    ACTIVATED = "activated"
    DISABLED = "disabled"
    LOST = "lost"
    RETURNED = "returned"
    SCRAPPED = "scrapped"


class ServiceStatus(enum.Enum):
    """Whether an issuer, a link, a route or an API client is in service."""

    IN_SERVICE = "in-service"
    SUSPENDED = "suspended"


class DuplicatePolicy(enum.Enum):
    """What to do with a cashier's second try: same card, amount and terminal, new trace number."""

    OFF = "off"
    WARN = "warn"
    REFUSE = "refuse"


class SealedKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A working key under the key store's key `key_id`; `kcv` (8 hex digits) tells keys apart."""

    key_id: str
    sealed: bytes
    kcv: str

    def __repr__(self) -> str:
        """Show the check value only."""
        return f"SealedKey(kcv={self.kcv!r})"


class SealedWorkingKeys(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What one sign-on handed to a terminal: its PIN key, MAC key and, with track encryption, TDK.

    `scheme` is DE 60.3 of the sign-on: 001, 003, 004 or 006. `tmk_kcv` tells the master key under
    which they went to the terminal; empty in records from before it was kept.
    """

    scheme: str
    pik: SealedKey
    mak: SealedKey
    tdk: SealedKey | None = None
    tmk_kcv: str = ""


class Acquirer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Who brings payments in; each listener and each API client belongs to one.

    `institution_id` is DE 32 acquirer_id towards issuers and terminals.
    """

    acquirer_id: str
    name: str
    institution_id: str


class Agent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who serves merchants for the acquirer; a tree, the root has no parent."""

    agent_id: str
    name: str
    status: AgentStatus
    parent_id: str = ""


class StoreGroup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Stores of one approved legal group."""

    group_id: str
    name: str


class Merchant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A shop that is paid; `merchant_id` is DE 42.

    `transactions` are what the merchant may do; `entry_modes` how it may read a card: the first
    two digits of DE 22 pos_entry_mode, none named means any. A limit of None is no limit.
    `settlement_account` is masked or a reference, never an account in clear. `duplicate_policy`
    holds while the outcome of the first payment is unknown, and for `duplicate_window_s` seconds
    after it, whatever its outcome; a window of 0 is none.
    """

    merchant_id: str
    status: MerchantStatus
    name: str = ""
    mcc: str = ""
    agent_id: str = ""
    group_id: str = ""
    currency: str = ""
    fee_plan: FeePlan | None = None
    settlement_account: str = ""
    transactions: tuple[TransactionType, ...] = ()
    entry_modes: tuple[str, ...] = ()
    amount_max_minor: int | None = None
    daily_amount_max_minor: int | None = None
    daily_count_max: int | None = None
    duplicate_policy: DuplicatePolicy = DuplicatePolicy.REFUSE
    duplicate_window_s: int = 0

    def missing_fields(self) -> tuple[str, ...]:
        """Name what must be configured before this merchant can be paid; empty if nothing."""
        if (
            self.name
            and self.mcc
            and self.agent_id
            and self.currency
            and self.fee_plan is not None
            and self.settlement_account
        ):
            return ()
        return tuple(field for field in REQUIRED_MERCHANT_FIELDS if not getattr(self, field))


REQUIRED_MERCHANT_FIELDS: Final = (
    "name",
    "mcc",
    "agent_id",
    "currency",
    "fee_plan",
    "settlement_account",
)


class Terminal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A POS; (`acquirer`, `terminal_id`) names it, `terminal_id` is DE 41.

    `profile` is the dialect that it speaks. `mac_algorithm` is one of MAC_ALGORITHMS; `mak` is its
    MAC key and `pik` its PIN key as issued, None if it has none yet. A terminal with a master key
    (`tmk`) is given new ones at sign-on, in the form of `key_scheme`. `batch` and `signed_on` are
    how it starts: the terminal's own partition goes on from there. `pin_format` is how it makes PIN
    blocks. `lost_at` (epoch ms) is when it was reported lost, 0 if it is not. Its
    `amount_max_minor` holds beside the merchant's.
    """

    acquirer: str
    terminal_id: str
    profile: str
    status: TerminalStatus
    merchant_id: str = ""
    serial_number: str = ""
    transactions: tuple[TransactionType, ...] = ()
    entry_modes: tuple[str, ...] = ()
    mac_algorithm: str = "unionpay-ecb"
    mak: SealedKey | None = None
    batch: str = ""
    signed_on: bool = False
    amount_max_minor: int | None = None
    tmk: SealedKey | None = None
    key_scheme: str = "003"
    pik: SealedKey | None = None
    pin_format: str = "iso-0"
    lost_at: int = 0

    @property
    def needs_mac(self) -> bool:
        """Whether its messages must carry a valid MAC."""
        return self.mac_algorithm != NO_MAC


NO_MAC: Final = "none"
MAC_ALGORITHMS: Final = ("unionpay-ecb", "unionpay-ecb-sm4", "x9.9", "x9.19", NO_MAC)
KEY_SCHEMES: Final = ("001", "003", "004", "006")  # DE 60.3 of a sign-on
PIN_FORMATS: Final = ("iso-0", "iso-2")


class StandIn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    When the switch may approve for an issuer whose line is down, and tell it afterwards.

    Up to `floor_limit_minor`, for cards that begin with one of `bins`; none named means all of the
    issuer's cards.
    """

    floor_limit_minor: int
    bins: tuple[str, ...] = ()


class Issuer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Who debits the card; `bins` are the first digits of its cards, the longest match wins.

    PIN blocks go to it as `pin_format` under `zpk`, the zone PIN key; without one it takes none.
    `stand_in` says when the switch answers in its place; None: never.
    """

    issuer_id: str
    name: str
    bins: tuple[str, ...]
    status: ServiceStatus = ServiceStatus.IN_SERVICE
    zpk: SealedKey | None = None
    pin_format: str = "iso-0"
    stand_in: StandIn | None = None


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line to an issuer, by the name that the settings connect to an address."""

    link_id: str
    name: str
    status: ServiceStatus = ServiceStatus.IN_SERVICE


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way to an issuer; the lowest `priority` is tried first."""

    route_id: str
    issuer_id: str
    link: str
    priority: int
    status: ServiceStatus = ServiceStatus.IN_SERVICE


class ApiClient(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A partner that asks over HTTP, known by the digest of its API key.

    `merchants` are the merchant ids that it may be paid as.
    """

    client_id: str
    name: str
    acquirer: str
    key_hash: str
    merchants: tuple[str, ...] = ()
    status: ServiceStatus = ServiceStatus.IN_SERVICE


class Operator(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A person who may look at cases, resolve them or change the registry, as `roles` says.

    Known by the digest of a key of their own, so that two persons are two.
    """

    operator_id: str
    name: str
    key_hash: str
    roles: tuple[str, ...] = ()
    status: ServiceStatus = ServiceStatus.IN_SERVICE


OPERATOR_ROLES: Final = ("view", "resolve", "registry")

Entity = (
    Acquirer
    | Agent
    | StoreGroup
    | Merchant
    | Terminal
    | Issuer
    | Link
    | Route
    | ApiClient
    | Operator
)


def id_of(entity: Entity) -> str:  # noqa: C901 - one case a kind
    """Name an entity within its kind; a terminal is `ACQUIRER:TERMINAL_ID`."""
    match entity:
        case Terminal():
            return f"{entity.acquirer}:{entity.terminal_id}"
        case Acquirer():
            return entity.acquirer_id
        case Agent():
            return entity.agent_id
        case StoreGroup():
            return entity.group_id
        case Merchant():
            return entity.merchant_id
        case Issuer():
            return entity.issuer_id
        case Link():
            return entity.link_id
        case Route():
            return entity.route_id
        case ApiClient():
            return entity.client_id
        case Operator():
            return entity.operator_id
