"""Settings of the event log, of who owns its partitions, and of snapshots."""

from typing import Annotated

from msgspec import Meta

from switch.adapters.kafka_security import KafkaSecurity
from switch.adapters.kafka_topic_check import TopicWishes
from switch.apps.settings_section import Section, meta, secret


class LogSettings(Section, frozen=True, kw_only=True):
    """The event log."""

    url: Annotated[
        str,
        meta(
            "`kafka://broker:port[,broker:port][?prefix=NAME]` in earnest; empty: the embedded log"
            " (SQLite) in the data folder.",
        ),
    ] = ""
    partition_count: Annotated[
        int,
        meta(
            "Partitions of inbound and journal, fixed when the log is made. One merchant lives in"
            " one; two digits of every RRN name it.",
            ge=1,
            le=100,
        ),
    ] = 4
    single_broker: Annotated[
        bool,
        meta(
            "Accept topics with one copy of each record. One broker acknowledges from its memory:"
            " it survives a kill, not a power cut. For development and tests.",
        ),
    ] = False
    replication_factor: Annotated[
        int,
        meta(
            "Copies of each record in topics that are made; one less must be in sync for an"
            " acknowledgement. log.single_broker makes it 1.",
            ge=2,
            le=9,
        ),
    ] = 3
    security_protocol: Annotated[
        str,
        Meta(
            description="How brokers are spoken to; sasl_ssl or ssl in earnest.",
            pattern="^(plaintext|ssl|sasl_plaintext|sasl_ssl)$",
        ),
    ] = "plaintext"
    sasl_mechanism: Annotated[
        str,
        Meta(
            description="How this process proves itself over SASL.",
            pattern="^(SCRAM-SHA-256|SCRAM-SHA-512)$",
        ),
    ] = "SCRAM-SHA-512"
    sasl_username: Annotated[str, meta("Name of this process over SASL, one a role.")] = ""
    sasl_password: Annotated[str, secret("The password that belongs to sasl_username.")] = ""
    ca_file: Annotated[
        str, meta("Certificates (PEM) that brokers are checked against; empty: the system's.")
    ] = ""
    certificate_file: Annotated[
        str, meta("This process's own certificate (PEM) where brokers want one (mTLS).")
    ] = ""
    key_file: Annotated[str, meta("The key that belongs to certificate_file (PEM).")] = ""


class OwnershipSettings(Section, frozen=True, kw_only=True):
    """Which handler is proposed as the owner of which partition; the journal decides."""

    proposer: Annotated[
        str,
        Meta(
            description="group: handlers over Kafka share the partitions by themselves; static:"
            " this one takes ownership.partitions. Over the embedded log one process owns all.",
            pattern="^(group|static)$",
        ),
    ] = "group"
    partitions: Annotated[
        str,
        Meta(
            description="The partitions of a static proposer, as 0-3,7; empty: all of them.",
            pattern="^([0-9]{1,2}(-[0-9]{1,2})?(,[0-9]{1,2}(-[0-9]{1,2})?)*)?$",
        ),
    ] = ""
    session_timeout_ms: Annotated[
        int,
        meta(
            "A handler not heard of for this long counts as gone, and others take its partitions."
            " Brokers take less than 6000 only with group.min.session.timeout.ms lowered.",
            ge=500,
            le=60_000,
        ),
    ] = 6_000


class SnapshotSettings(Section, frozen=True, kw_only=True):
    """Snapshots of a partition's state: they bound the time of a take-over, nothing else."""

    directory: Annotated[
        str, meta("Where snapshots are kept; empty: snapshots/ in the data folder.")
    ] = ""
    interval_record_count: Annotated[
        int,
        meta(
            "A snapshot after so many journal records. Reading 200,000 takes a second or two;"
            " writing one takes a second of another core.",
            ge=1_000,
        ),
    ] = 200_000
    interval_ms: Annotated[
        int, meta("A snapshot after this time, if there was anything new at all.", ge=1_000)
    ] = 600_000
    to_topic: Annotated[
        bool,
        meta("Over Kafka, also send snapshots to a topic, for a handler that starts elsewhere."),
    ] = True


def make_kafka_security(log: LogSettings) -> KafkaSecurity:
    """Return how this process and the brokers prove themselves to each other."""
    return KafkaSecurity(
        protocol=log.security_protocol,
        mechanism=log.sasl_mechanism,
        username=log.sasl_username,
        password=log.sasl_password,
        ca_file=log.ca_file,
        certificate_file=log.certificate_file,
        key_file=log.key_file,
    )


def make_topic_wishes(log: LogSettings, *, makes: bool) -> TopicWishes:
    """Return how topics must be for a role that serves; with `makes` it makes missing ones."""
    return TopicWishes(
        replication_factor=log.replication_factor, single_broker=log.single_broker, makes=makes
    )
