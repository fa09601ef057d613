-- How far each partition of the journal is in these tables (see settlement/0001_tables.sql).
CREATE TABLE position (
    partition    smallint PRIMARY KEY,
    next_offset  bigint   NOT NULL,
    generation   integer  NOT NULL,
    claim_id     text     NOT NULL,
    epoch        bigint   NOT NULL,
    record_count bigint   NOT NULL,
    void_count   bigint   NOT NULL,
    at_ms        bigint   NOT NULL
);

-- One row for each event, also for those of void records, which count for nothing else.
-- rrn, idempotency_key, terminal_id and stan are empty where an event does not name them.
CREATE TABLE events (
    partition         smallint NOT NULL,
    journal_offset    bigint   NOT NULL,
    event_index       smallint NOT NULL,
    at_ms             bigint   NOT NULL,
    tag               text     NOT NULL,
    rrn               text     NOT NULL,
    idempotency_key   text     NOT NULL,
    terminal_id       text     NOT NULL,
    stan              text     NOT NULL,
    claim_id          text     NOT NULL,
    epoch             bigint   NOT NULL,
    is_void           boolean  NOT NULL,
    registry_position bigint   NOT NULL,
    watermark         bigint   NOT NULL,
    inbound_offset    bigint   NOT NULL,
    inbound_id        text     NOT NULL,
    traceparent       text     NOT NULL,
    detail            json     NOT NULL
);

-- One row for each payment as it stands now: what look-ups find and lists show.
CREATE TABLE payments (
    rrn               text     PRIMARY KEY,
    partition         smallint NOT NULL,
    opened_at_ms      bigint   NOT NULL,
    updated_at_ms     bigint   NOT NULL,
    idempotency_key   text     NOT NULL,
    channel           text     NOT NULL,
    acquirer          text     NOT NULL,
    merchant_id       text     NOT NULL,
    terminal_id       text     NOT NULL,
    batch             text     NOT NULL,
    stan              text     NOT NULL,
    kind              text     NOT NULL,
    amount_minor      bigint   NOT NULL,
    currency          text     NOT NULL,
    masked_pan        text     NOT NULL,
    issuer_id         text     NOT NULL,
    link              text     NOT NULL,
    state             text     NOT NULL,
    money_state       text     NOT NULL,
    response_code     text     NOT NULL,
    reason            text     NOT NULL,
    authorization_id  text     NOT NULL,
    settlement_date   text     NOT NULL,
    reversal_attempts integer  NOT NULL,
    case_count        integer  NOT NULL
) WITH (fillfactor = 80);
