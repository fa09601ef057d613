-- What a payment changes, and where it stands with its issuer.
ALTER TABLE payments
    ADD COLUMN original_rrn    text    NOT NULL DEFAULT '',
    ADD COLUMN moved_at_ms     bigint  NOT NULL DEFAULT 0,
    ADD COLUMN repeat_attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN attempted_at_ms bigint  NOT NULL DEFAULT 0,
    ADD COLUMN next_try_at_ms  bigint  NOT NULL DEFAULT 0,
    ADD COLUMN advice_open     boolean NOT NULL DEFAULT false,
    ADD COLUMN returned_by     text    NOT NULL DEFAULT '',
    ADD COLUMN resolution      text    NOT NULL DEFAULT '';

-- One row for each case as it stands now; a parked inbound record is one, too.
CREATE TABLE cases (
    case_id        text     PRIMARY KEY,
    partition      smallint NOT NULL,
    journal_offset bigint   NOT NULL,
    kind           text     NOT NULL,
    state          text     NOT NULL,
    opened_at_ms   bigint   NOT NULL,
    updated_at_ms  bigint   NOT NULL,
    ended_at_ms    bigint   NOT NULL,
    rrn            text     NOT NULL,
    acquirer       text     NOT NULL,
    merchant_id    text     NOT NULL,
    terminal_id    text     NOT NULL,
    amount_minor   bigint   NOT NULL,
    currency       text     NOT NULL,
    detail         text     NOT NULL,
    owner          text     NOT NULL,
    proposed_by    text     NOT NULL,
    resolution     text     NOT NULL,
    reason         text     NOT NULL,
    resolved_by    text     NOT NULL,
    confirmed_by   text     NOT NULL,
    note_count     integer  NOT NULL,
    opening_count  integer  NOT NULL
) WITH (fillfactor = 80);

-- Cases that an older program has left in the events; nobody could resolve one then.
INSERT INTO cases
SELECT DISTINCT ON (1) *
FROM (
    SELECT
        CASE tag WHEN 'case-opened.v1' THEN detail ->> 'case_id' ELSE
            'inbound-parked-' || lpad(partition::text, 2, '0') || '-' || (detail ->> 'inbound_offset')
        END AS case_id,
        partition,
        journal_offset,
        CASE tag WHEN 'case-opened.v1' THEN detail ->> 'kind' ELSE 'inbound-parked' END AS kind,
        'open' AS state,
        at_ms AS opened_at_ms,
        at_ms AS updated_at_ms,
        0::bigint AS ended_at_ms,
        rrn,
        coalesce(detail ->> 'acquirer', '') AS acquirer,
        coalesce(detail ->> 'merchant_id', '') AS merchant_id,
        coalesce(detail ->> 'terminal_id', '') AS terminal_id,
        0::bigint AS amount_minor,
        '' AS currency,
        coalesce(detail ->> 'detail', detail ->> 'fault', '') AS detail,
        '' AS owner, '' AS proposed_by, '' AS resolution, '' AS reason, '' AS resolved_by,
        '' AS confirmed_by,
        0 AS note_count,
        1 AS opening_count
    FROM events
    WHERE tag IN ('case-opened.v1', 'inbound-parked.v1') AND NOT is_void
) AS found
ORDER BY 1, opened_at_ms, journal_offset;
