"""What the process says about itself: log lines, metrics, and why it is not ready."""

import asyncio
import contextlib
import io
import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, Literal, NamedTuple, TextIO, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from switch.codec.masking import mask_card_numbers

Logger = structlog.typing.FilteringBoundLogger

REPEAT_INTERVAL_S: Final = 60.0
REPEAT_LINES_MAX: Final = 1_000
# What a Kafka client calls an error, and is none: a cluster that makes its groups for the first
# time, a group that shares its partitions anew, an address that a sentence of ours is about.
_EXPECTED_OF_LIBRARIES: Final = re.compile(
    r"Group Coordinator Request failed: \[Error 15\]"
    r"|Heartbeat failed for group .* because it is rebalancing"
    r'|Unable connect to "'
)
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_CARD_NUMBER_MIN: Final = 10**12
# From one fsync on a quick disk to the longest deadline.
_SECONDS_BUCKETS: Final = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1.0, 2.0, 5.0, 10.0, 20.0, 45.0),
)


class MetricSpec(NamedTuple):
    """One metric: Prometheus name, kind, what it counts, labels."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    description: str
    labels: tuple[str, ...] = ()


METRICS: Final = (
    MetricSpec("switch_connections", "gauge", "Terminal connections now open.", ("channel",)),
    MetricSpec(
        "switch_connections_closed_total",
        "counter",
        "Terminal connections that the switch closed, by why it did.",
        ("channel", "reason"),
    ),
    MetricSpec(
        "switch_gateway_requests_total",
        "counter",
        "What became of requests: handed over to the log, answer delivered, late, unanswered, ...",
        ("outcome",),
    ),
    MetricSpec(
        "switch_gateway_refusals_total",
        "counter",
        "Refusals by the gateway itself, of requests that never reached the log.",
        ("reason",),
    ),
    MetricSpec("switch_gateway_waiting", "gauge", "Requests that wait for a handler's answer."),
    MetricSpec(
        "switch_answers_total",
        "counter",
        "Decisions of a partition's owner that hold an answer, by DE 39 response_code.",
        ("response_code",),
    ),
    MetricSpec(
        "switch_answer_seconds",
        "histogram",
        "From the receipt of a request to the delivery of its answer, by the gateway's clock.",
        ("channel",),
    ),
    MetricSpec("switch_issuer_link_up", "gauge", "1 while a link is signed on.", ("link",)),
    MetricSpec(
        "switch_issuer_messages_total",
        "counter",
        "Messages on issuer links; direction is sent or received.",
        ("link", "direction"),
    ),
    MetricSpec(
        "switch_issuer_reconnects_total", "counter", "Connections lost or failed.", ("link",)
    ),
    MetricSpec(
        "switch_registry_position", "gauge", "Registry log offset up to which the view is folded."
    ),
    MetricSpec(
        "switch_registry_age_ms",
        "gauge",
        "Milliseconds since the view was last confirmed to be at the log's end.",
    ),
    MetricSpec("switch_partition_owned", "gauge", "1 while this process owns it.", ("partition",)),
    MetricSpec(
        "switch_partition_epoch",
        "gauge",
        "Journal offset of its owner's claim, the epoch; 0 where it is not owned.",
        ("partition",),
    ),
    MetricSpec(
        "switch_partition_claim_time_seconds",
        "gauge",
        "When its owner claimed it, in seconds since 1970; 0 where it is not owned.",
        ("partition",),
    ),
    MetricSpec(
        "switch_partition_inbound_position",
        "gauge",
        "Inbound offset up to which its owner has decided; 0 where it is not owned.",
        ("partition",),
    ),
    MetricSpec(
        "switch_partition_lag",
        "gauge",
        "Inbound records not yet read by the partition's owner.",
        ("partition",),
    ),
    MetricSpec(
        "switch_journal_appends_total", "counter", "Journal records acknowledged.", ("partition",)
    ),
    MetricSpec(
        "switch_journal_void_records_total",
        "counter",
        "Journal records of a stale claim, dropped by the void rule.",
        ("partition",),
    ),
    MetricSpec(
        "switch_journal_end_offset",
        "gauge",
        "Journal offset after the last record, as its owner sees it; 0 where it is not owned.",
        ("partition",),
    ),
    MetricSpec(
        "switch_payments_unknown",
        "gauge",
        "Payments about which something is still to happen with their issuer.",
        ("partition",),
    ),
    MetricSpec("switch_takeovers_total", "counter", "Claims made of a partition.", ("partition",)),
    MetricSpec(
        "switch_forwards_waiting",
        "gauge",
        "Reversals, advices and repeated refunds not yet answered.",
        ("link", "partition"),
    ),
    MetricSpec(
        "switch_cases_opened_total", "counter", "Cases that were opened, by kind.", ("kind",)
    ),
    MetricSpec("switch_cases_open", "gauge", "Cases that somebody must look at.", ("partition",)),
    MetricSpec(
        "switch_snapshots_total",
        "counter",
        "What became of snapshots: written, sent, loaded, failed, discarded, unusable, not-sent.",
        ("outcome",),
    ),
    MetricSpec(
        "switch_snapshot_offset",
        "gauge",
        "First journal offset that is not in the newest snapshot written or loaded here.",
        ("partition",),
    ),
    MetricSpec(
        "switch_snapshot_time_seconds",
        "gauge",
        "When the newest snapshot was written here, in seconds since 1970.",
        ("partition",),
    ),
    MetricSpec(
        "switch_snapshot_pause_seconds",
        "gauge",
        "How long the process stood still for the last snapshot that it began.",
    ),
    MetricSpec(
        "switch_projection_lag",
        "gauge",
        "Journal records that the projection has not taken yet.",
        ("projection",),
    ),
    MetricSpec(
        "switch_projection_position",
        "gauge",
        "Journal offset up to which the projection's rows hold the partition; -1: not known yet.",
        ("projection", "partition"),
    ),
    MetricSpec(
        "switch_projection_running",
        "gauge",
        "1 while the projection takes records, 0 while it tries again or has stopped.",
        ("projection",),
    ),
    MetricSpec(
        "switch_ready",
        "gauge",
        "1 while this part of the process is ready; /readyz says in words why not.",
        ("part",),
    ),
    MetricSpec("switch_http_requests_total", "counter", "HTTP answers.", ("route", "status")),
    MetricSpec(
        "switch_loop_delay_seconds",
        "gauge",
        "How late the event loop woke up the last time that it was asked to.",
    ),
)


class Metrics:
    """Every metric of METRICS, made once; a name that is not there is a KeyError at composition."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._by_name: dict[str, Counter | Gauge | Histogram] = {
            spec.name: self._make(spec) for spec in METRICS
        }

    def _make(self, spec: MetricSpec) -> Counter | Gauge | Histogram:
        if spec.kind == "counter":
            return Counter(spec.name, spec.description, spec.labels, registry=self._registry)
        if spec.kind == "gauge":
            return Gauge(spec.name, spec.description, spec.labels, registry=self._registry)
        return Histogram(
            spec.name,
            spec.description,
            spec.labels,
            registry=self._registry,
            buckets=_SECONDS_BUCKETS,
        )

    def counter(self, name: str) -> Counter:
        """Get a counter by its name."""
        metric = self._by_name[name]
        assert isinstance(metric, Counter)
        return metric

    def gauge(self, name: str) -> Gauge:
        """Get a gauge by its name."""
        metric = self._by_name[name]
        assert isinstance(metric, Gauge)
        return metric

    def histogram(self, name: str) -> Histogram:
        """Get a histogram by its name; its unit is seconds."""
        metric = self._by_name[name]
        assert isinstance(metric, Histogram)
        return metric

    async def render(self) -> bytes:
        """Write the exposition in a thread: with many series it takes milliseconds."""
        return await asyncio.to_thread(generate_latest, self._registry)


class Readiness:
    """Why the process is not ready: each part says so itself, when asked."""

    def __init__(self) -> None:
        self._checks: dict[str, Callable[[], str]] = {}

    def add(self, part: str, check: Callable[[], str]) -> None:
        """Let `check` speak for `part`: an empty text is ready, any other says why not."""
        self._checks[part] = check

    def reasons(self) -> dict[str, str]:
        """Return part -> why it is not ready; empty when all are."""
        found = {part: check() for part, check in self._checks.items()}
        return {part: reason for part, reason in found.items() if reason}

    def parts(self) -> dict[str, str]:
        """Return every part with its reason, empty for those that are ready."""
        return {part: check() for part, check in self._checks.items()}


class Telemetry(NamedTuple):
    """What every role is given to speak with."""

    log: Logger
    metrics: Metrics
    readiness: Readiness


def make_telemetry(role: str) -> Telemetry:
    """Build the telemetry of one role; call `configure_logging` once before."""
    return Telemetry(structlog.get_logger(role=role), Metrics(), Readiness())


def hide_card_numbers(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Mask whatever looks like a PAN: the last net below code that must not log one at all."""
    for key, value in event.items():
        event[key] = _hide(value)
    return event


def _hide(value: Any) -> Any:  # noqa: ANN401 - whatever was logged
    """Mask text, also where it is a part of something; what shows none stays what it is."""
    if isinstance(value, str):
        return mask_card_numbers(value)
    if isinstance(value, Mapping):
        return {key: _hide(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_hide(part) for part in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value if value is None or abs(value) < _CARD_NUMBER_MIN else _hide(str(value))
    shown = repr(value)
    hidden = mask_card_numbers(shown)
    return value if hidden == shown else hidden


class LineStream(io.TextIOBase):
    """
    A stream that takes log lines as long as it can, and loses them without a word when it cannot.

    A full disk or a reader that is gone must not become an exception in the middle of whatever is
    telling of it: that would stop a partition for want of a line.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class RepeatFilter(logging.Filter):
    """
    Lets each line of a library's logger pass once a minute, and never what only sounds alarming.

    While no broker answers, a Kafka client says so several hundred times a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passed_at_s: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the line is new, or was last passed a minute ago."""
        line = (record.name, record.getMessage())
        if _EXPECTED_OF_LIBRARIES.match(line[1]):
            return False
        passed_at_s = self._passed_at_s.get(line)
        if passed_at_s is not None and record.created - passed_at_s < REPEAT_INTERVAL_S:
            return False
        if len(self._passed_at_s) >= REPEAT_LINES_MAX:
            self._passed_at_s.clear()
        self._passed_at_s[line] = record.created
        return True


def configure_logging(*, log_format: str, log_level: str, stream: TextIO | None = None) -> None:
    """
    Send structlog's and the standard library's lines to `stream` (stderr) in one shape.

    Args:
        log_format: `json`, `console`, or `auto` (console where the stream is a terminal).
        log_level: `debug`, `info`, `warning` or `error`.
        stream: where lines go; None for stderr.
    """
    is_terminal = (stream or sys.stderr).isatty()
    out = cast("TextIO", LineStream(stream or sys.stderr))
    as_console = log_format == "console" or (log_format == "auto" and is_terminal)
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        # people at a terminal know the day, and have 80 columns
        structlog.processors.TimeStamper(fmt="%H:%M:%SZ" if as_console else "iso", utc=True),
        structlog.processors.format_exc_info,
        hide_card_numbers,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=is_terminal, pad_event_to=0)
        if as_console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[log_level]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(RepeatFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak up only when something is wrong.
    root.setLevel(max(_LEVELS[log_level], logging.WARNING))
