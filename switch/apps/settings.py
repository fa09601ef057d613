"""Every setting of the switch, in one frozen value; the unit is the last word of a name.

Each field carries its bounds, what it means and why its default is what it is; from that come the
checks at start, `switch config show` and `docs/configuration.md`.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from switch.apps.decision_settings import CaseSettings, MemorySettings, TerminalSettings
from switch.apps.log_settings import LogSettings, OwnershipSettings, SnapshotSettings
from switch.apps.settings_section import Section, meta, secret
from switch.eventlog.port import REPLIES_PARTITION_COUNT

_HOUR_MS: Final = 3_600_000


class TimeSettings(Section, frozen=True, kw_only=True):
    """Who waits for whom, and how long; their order is checked at start."""

    terminal_deadline_ms: Annotated[
        int,
        meta(
            "The gateway delivers no answer later than this after a request came in. Below the"
            " 60 s that a terminal waits, less the network, or it reverses what it was about to"
            " be told.",
            ge=100,
        ),
    ] = 45_000
    issuer_timeout_ms: Annotated[
        int,
        meta(
            "An issuer that has not answered by then leaves the outcome unknown, and the debit is"
            " reversed. Below terminal_deadline_ms, so that the terminal still hears of it.",
            ge=50,
        ),
    ] = 40_000
    issuer_delay_max_ms: Annotated[
        int,
        meta(
            "The longest that a debit may lie in an issuer's queue; a reversal whose debit was"
            " never answered is repeated once after it. Not below issuer_timeout_ms.",
            ge=50,
        ),
    ] = 120_000
    send_window_ms: Annotated[
        int,
        meta(
            "A debit is sent only this long after its append was issued; a successor waits it out"
            " before it gives a routed debit up. A fraction of a second: take-over waits for it.",
            ge=10,
            le=5_000,
        ),
    ] = 500
    clock_skew_max_ms: Annotated[
        int,
        meta(
            "How far the clocks of two machines may differ. It counts for staleness and dates,"
            " never for double debits.",
            ge=0,
        ),
    ] = 250
    append_deadline_ms: Annotated[
        int,
        meta(
            "No acknowledgement from the log within this: the append is given up as unknown and the"
            " partition starts over from its claim.",
            ge=100,
        ),
    ] = 3_000
    drain_ms: Annotated[
        int,
        meta(
            "How long a stopping process waits for routed payments to be answered. Below the 5 s"
            " within which it must be gone.",
            ge=0,
            le=60_000,
        ),
    ] = 3_500


class GatewaySettings(Section, frozen=True, kw_only=True):
    """Listeners for terminals, and what one of them may cost."""

    ordinal: Annotated[
        int,
        meta(
            "This gateway's number: it says which partition of the replies log is read for answers,"
            " so it is below their count, 16. Two with one number work, at the cost of reading each"
            " other's answers; both say so.",
            ge=0,
            le=REPLIES_PARTITION_COUNT - 1,
        ),
    ] = 0
    unionpay_pos_address: Annotated[
        str,
        meta(
            "Where terminals of dialect unionpay-pos connect (2-byte length, TPDU, header). Port 0"
            " picks a free one; empty closes the listener. Loopback unless you mean it.",
        ),
    ] = "127.0.0.1:8583"
    iso1987_ascii_address: Annotated[
        str,
        meta("Where terminals of dialect iso1987-ascii connect (2-byte length); else as above."),
    ] = "127.0.0.1:8584"
    unionpay_pos_acquirer: Annotated[
        str,
        meta(
            "The acquirer on whose behalf terminals of the unionpay-pos listener come: half of the"
            " partition key and of every terminal's name, so it must not change while payments are"
            " open.",
        ),
    ] = "00000001"
    iso1987_ascii_acquirer: Annotated[
        str,
        meta(
            "The same for the iso1987-ascii listener. Another one than above, because a terminal"
            " that must prove itself with a MAC there must not come in here without one.",
        ),
    ] = "00000002"
    connection_count_max: Annotated[
        int,
        meta(
            "Above it the connection is closed that has proven no key and was silent longest, or"
            " the new one if all have. Twice the 10,000 idle terminals that one process is"
            " measured with.",
            ge=1,
        ),
    ] = 20_000
    in_flight_count_max: Annotated[
        int,
        meta(
            "Requests handed over and not yet answered; the next is declined as busy, not debited."
            " One second of work at the rate that one process reaches.",
            ge=1,
        ),
    ] = 5_000
    append_slow_ms: Annotated[
        int,
        meta(
            "While the inbound log has left a request unacknowledged for so long, new ones are"
            " declined as not sent, before they are given to it. Several times what an"
            " acknowledgement takes; below times.append_deadline_ms, when the log has failed.",
            ge=10,
        ),
    ] = 500
    connection_in_flight_count_max: Annotated[
        int,
        meta(
            "The same for one connection: a concentrator carries many terminals, but not all.", ge=1
        ),
    ] = 1_000
    frame_bytes_max: Annotated[
        int,
        meta("A longer frame closes the connection. Twice the longest useful message.", ge=128),
    ] = 4_096
    frame_deadline_ms: Annotated[
        int,
        meta("A frame once begun must be whole by then (slow clients hold a buffer each).", ge=10),
    ] = 10_000
    idle_timeout_ms: Annotated[
        int,
        meta(
            "A connection that says nothing for this long is closed. Terminals keep theirs open"
            " between customers; an hour covers a quiet shop.",
            ge=1_000,
        ),
    ] = _HOUR_MS
    write_buffer_bytes_max: Annotated[
        int,
        meta(
            "Answers that a client does not read pile up to here, then it is cut off; each answer"
            " is kept in the journal for its repeat.",
            ge=1_024,
        ),
    ] = 65_536
    read_timeout_ms: Annotated[
        int,
        meta("A client that takes no byte of its answers for so long is cut off.", ge=100),
    ] = 30_000
    refusal_count_max: Annotated[
        int,
        meta(
            "Refusals in a row on a connection that has proven no key; then it is closed: a"
            " terminal in need of repair sends a few, a scanner thousands.",
            ge=1,
        ),
    ] = 10
    unproven_count_max: Annotated[
        int,
        meta("Requests taken from a connection that has proven no terminal's key yet.", ge=1),
    ] = 1_000
    sign_on_count_max: Annotated[
        int,
        meta(
            "Messages without a MAC of one terminal in a minute: so many 08xx, so many 05xx, and as"
            " many again over connections that have proven a key.",
            ge=1,
        ),
    ] = 20


class HttpSettings(Section, frozen=True, kw_only=True):
    """The HTTP listener: API, health, metrics and the start page."""

    address: Annotated[
        str,
        meta("Where HTTP is served. Port 0 picks a free one. Loopback unless you mean it."),
    ] = "127.0.0.1:8080"
    request_bytes_max: Annotated[
        int,
        meta(
            "A longer body is refused (413). A payment takes 300 bytes; a registry file of 10,000"
            " merchants some 5 MB, hence registry_bytes_max beside it.",
            ge=1_024,
        ),
    ] = 65_536
    registry_bytes_max: Annotated[int, meta("The same for POST /v1/registry/load.", ge=1_024)] = (
        16_777_216
    )
    receive_deadline_ms: Annotated[
        int,
        meta(
            "A request must have arrived whole by then, or its connection is closed: the HTTP"
            " server itself would wait for ever.",
            ge=100,
        ),
    ] = 10_000
    connection_count_max: Annotated[
        int,
        meta(
            "More open connections than this are answered 503, many more are closed at once. It is"
            " lowered to a quarter of the files that the process may open (`ulimit -n`).",
            ge=1,
        ),
    ] = 2_000
    keep_alive_ms: Annotated[
        int,
        meta(
            "A connection that is idle, or whose client does not take its answers, is closed after"
            " this.",
            ge=1_000,
        ),
    ] = 60_000


class IssuerLinkSettings(Section, frozen=True, kw_only=True):
    """Connections to issuers."""

    links: Annotated[
        dict[str, str],
        meta(
            "Link name of a route -> address of the issuer, as name=host:port (separated by commas"
            " in the environment). `switch up --demo` adds its issuer simulator.",
        ),
    ] = msgspec.field(default_factory=dict)
    connect_timeout_ms: Annotated[
        int, meta("A connect that takes longer counts as failed.", ge=10)
    ] = 3_000
    sign_on_timeout_ms: Annotated[
        int, meta("No answer to sign-on (0800/001) by then: reconnect.", ge=10)
    ] = 5_000
    echo_interval_ms: Annotated[
        int,
        meta(
            "A link that carried nothing for this long is asked with 0800/301, before firewalls"
            " forget it.",
            ge=100,
        ),
    ] = 30_000
    echo_timeout_ms: Annotated[
        int, meta("No answer to an echo by then: the link is down, reconnect.", ge=10)
    ] = 5_000
    reconnect_delay_min_ms: Annotated[
        int, meta("First delay before reconnecting; doubled each time, with jitter.", ge=1)
    ] = 100
    reconnect_delay_max_ms: Annotated[int, meta("The delay grows no further than this.", ge=1)] = (
        5_000
    )
    in_flight_count_max: Annotated[
        int, meta("Requests on one link that wait for an answer; the next is not sent.", ge=1)
    ] = 10_000
    write_buffer_bytes_max: Annotated[
        int,
        meta("What an issuer does not read piles up to here, then the link counts as down.", ge=1),
    ] = 1_048_576


class HandlerSettings(Section, frozen=True, kw_only=True):
    """How the owner of a partition decides, and how it repeats reversals."""

    institution_id: Annotated[
        str,
        Meta(
            description="The switch's own institution: DE 32 towards terminals and issuers.",
            pattern="^[0-9]{1,11}$",
        ),
    ] = "00000000001"
    timezone_offset_minutes: Annotated[
        int, meta("Local time of terminals and of daily limits; China standard time.")
    ] = 480
    cut_over_minutes: Annotated[
        int,
        meta("The clearing day ends so long after local midnight (23:00).", ge=0, le=1_440),
    ] = 1_380
    tombstone_ms: Annotated[
        int, meta("A reversal of an unknown original bars it for this long (48 h).", ge=0)
    ] = 48 * _HOUR_MS
    reversal_first_repeat_ms: Annotated[
        int, meta("A reversal without an answer is repeated after this; then doubled.", ge=1)
    ] = 2_000
    reversal_repeat_max_ms: Annotated[
        int, meta("The delay between two repeats grows no further than this.", ge=1)
    ] = 300_000
    reversal_in_flight_count_max: Annotated[
        int,
        meta(
            "Reversals of one link that wait for an answer at a time; an issuer that comes back"
            " is not buried under them.",
            ge=1,
        ),
    ] = 64
    reversal_answers_bad_count_max: Annotated[
        int,
        meta("Useless answers to one reversal, before a person must look and it stops.", ge=1),
    ] = 5
    position_note_ms: Annotated[
        int, meta("A quiet partition notes its reading position this often.", ge=100)
    ] = 5_000


class RegistrySettings(Section, frozen=True, kw_only=True):
    """How closely every role follows the registry log."""

    staleness_max_ms: Annotated[
        int,
        meta("A view not confirmed for this long declines rather than guesses.", ge=100),
    ] = 1_000
    poll_wait_ms: Annotated[
        int,
        meta("A read of the registry log waits this long; it confirms the view.", ge=1),
    ] = 200


class SecuritySettings(Section, frozen=True, kw_only=True):
    """Keys."""

    keys_directory: Annotated[
        str,
        meta(
            "Folder of the sealed keys, shared by every process of one switch (docs/operations.md);"
            " empty: keys/ in the data folder."
        ),
    ] = ""
    minute_key_lifetime_ms: Annotated[
        int,
        meta(
            "Keys that seal track, PIN block and chip data are destroyed this long after their last"
            " use. 0: times.terminal_deadline_ms + times.clock_skew_max_ms, the least allowed.",
            ge=0,
        ),
    ] = 0


class ProjectorSettings(Section, frozen=True, kw_only=True):
    """Projections of the journal into PostgreSQL."""

    dsn: Annotated[
        str,
        secret(
            "PostgreSQL to use; empty: an embedded one in the data folder. Payments go on while it"
            " is down.",
        ),
    ] = ""
    batch_count_max: Annotated[int, meta("Records applied in one database transaction.", ge=1)] = (
        500
    )
    in_background: Annotated[
        bool,
        meta(
            "Projector and embedded PostgreSQL take only processor time that nothing else wants:"
            " payments go first, the projections catch up after a peak, and their lag shows."
        ),
    ] = True


class IssuerSimulatorSettings(Section, frozen=True, kw_only=True):
    """The demo's issuer."""

    address: Annotated[
        str, meta("Where the simulator listens (iso1987-ascii). Port 0 picks a free one.")
    ] = "127.0.0.1:8590"
    delay_ms: Annotated[int, meta("How long it thinks before it answers.", ge=0)] = 0


class TelemetrySettings(Section, frozen=True, kw_only=True):
    """Logs, metrics, and what this process tells the others of itself."""

    status_interval_ms: Annotated[
        int,
        meta("How often a process over Kafka tells of itself for `switch status`.", ge=100),
    ] = 1_000
    log_format: Annotated[
        str,
        Meta(
            description="json, console, or auto: console on a terminal, else json.",
            pattern="^(auto|json|console)$",
        ),
    ] = "auto"
    log_level: Annotated[
        str,
        Meta(
            description="debug, info, warning or error. Per-payment lines are debug: at 5,000 a"
            " second they cost more than the payments; the journal holds them all.",
            pattern="^(debug|info|warning|error)$",
        ),
    ] = "info"


class RuntimeSettings(Section, frozen=True, kw_only=True):
    """The process itself."""

    uvloop: Annotated[
        bool, meta("Use uvloop, twice as fast as asyncio's own loop; off to debug.")
    ] = True
    open_files_count_min: Annotated[
        int,
        meta("The soft limit of open files is raised to this (or to the hard limit).", ge=64),
    ] = 24_000


class Settings(Section, frozen=True, kw_only=True):
    """All sections; built once at start, never changed."""

    times: TimeSettings = TimeSettings()
    gateway: GatewaySettings = GatewaySettings()
    http: HttpSettings = HttpSettings()
    issuer_link: IssuerLinkSettings = IssuerLinkSettings()
    handler: HandlerSettings = HandlerSettings()
    cases: CaseSettings = CaseSettings()
    terminals: TerminalSettings = TerminalSettings()
    memory: MemorySettings = MemorySettings()
    registry: RegistrySettings = RegistrySettings()
    log: LogSettings = LogSettings()
    ownership: OwnershipSettings = OwnershipSettings()
    snapshots: SnapshotSettings = SnapshotSettings()
    security: SecuritySettings = SecuritySettings()
    projector: ProjectorSettings = ProjectorSettings()
    issuer_simulator: IssuerSimulatorSettings = IssuerSimulatorSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    runtime: RuntimeSettings = RuntimeSettings()

    @property
    def minute_key_lifetime_ms(self) -> int:
        """How long keys of the minute live: as set, else just long enough (docs/rules.md 6)."""
        least = self.times.terminal_deadline_ms + self.times.clock_skew_max_ms
        return self.security.minute_key_lifetime_ms or least


# `switch up --demo`: deadlines that a person at a keyboard can wait for
DEMO_OVERRIDES: Final[dict[str, object]] = {
    "times.terminal_deadline_ms": 5_000,
    "times.issuer_timeout_ms": 3_000,
    "times.issuer_delay_max_ms": 6_000,
    "handler.reversal_repeat_max_ms": 5_000,
    "cases.open_after_ms": 20_000,
}
