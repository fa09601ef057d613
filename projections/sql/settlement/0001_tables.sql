-- How far each partition of the journal is in these tables. It changes in the same db transaction
-- as the rows, so it is never ahead of them or behind. claim_id and epoch are what the void rule
-- knew there: a reader that goes on from next_offset starts with them.
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

-- One line for each payment effect; a reversal's line has negative amounts.
CREATE TABLE lines (
    partition       smallint NOT NULL,
    journal_offset  bigint   NOT NULL,
    event_index     smallint NOT NULL,
    rrn             text     NOT NULL,
    kind            text     NOT NULL,
    at_ms           bigint   NOT NULL,
    acquirer        text     NOT NULL,
    merchant_id     text     NOT NULL,
    terminal_id     text     NOT NULL,
    batch           text     NOT NULL,
    agent_id        text     NOT NULL,
    settlement_date date     NOT NULL,
    currency        text     NOT NULL,
    gross_minor     bigint   NOT NULL,
    fee_minor       bigint   NOT NULL,
    net_minor       bigint   NOT NULL,
    CHECK (net_minor = gross_minor - fee_minor)
);

-- Double entry: debit positive, credit negative; the entries of one event sum to zero.
CREATE TABLE postings (
    partition       smallint NOT NULL,
    journal_offset  bigint   NOT NULL,
    event_index     smallint NOT NULL,
    entry           smallint NOT NULL,
    rrn             text     NOT NULL,
    account         text     NOT NULL,
    owner           text     NOT NULL,
    settlement_date date     NOT NULL,
    currency        text     NOT NULL,
    amount_minor    bigint   NOT NULL
);

-- Sub-totals: a merchant lives in one partition, so no two writers meet in a row.
CREATE TABLE totals (
    settlement_date date   NOT NULL,
    acquirer        text   NOT NULL,
    merchant_id     text   NOT NULL,
    terminal_id     text   NOT NULL,
    batch           text   NOT NULL,
    currency        text   NOT NULL,
    approval_count  bigint NOT NULL,
    reversal_count  bigint NOT NULL,
    gross_minor     bigint NOT NULL,
    fee_minor       bigint NOT NULL,
    net_minor       bigint NOT NULL,
    PRIMARY KEY (settlement_date, acquirer, merchant_id, terminal_id, batch, currency)
) WITH (fillfactor = 70);
