-- What settles (or is taken back), and totals by kind. An older program settled sales and reversals.
ALTER TABLE lines ADD COLUMN transaction text NOT NULL DEFAULT 'sale';

ALTER TABLE totals
    ADD COLUMN void_count     bigint NOT NULL DEFAULT 0,
    ADD COLUMN refund_count   bigint NOT NULL DEFAULT 0,
    ADD COLUMN approval_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN void_minor     bigint NOT NULL DEFAULT 0,
    ADD COLUMN refund_minor   bigint NOT NULL DEFAULT 0,
    ADD COLUMN reversal_minor bigint NOT NULL DEFAULT 0;

UPDATE totals SET approval_minor = found.approval_minor, reversal_minor = found.reversal_minor
FROM (
    SELECT settlement_date, acquirer, merchant_id, terminal_id, batch, currency,
        coalesce(sum(gross_minor) FILTER (WHERE kind = 'approval'), 0) AS approval_minor,
        coalesce(sum(gross_minor) FILTER (WHERE kind = 'reversal'), 0) AS reversal_minor
    FROM lines
    GROUP BY settlement_date, acquirer, merchant_id, terminal_id, batch, currency
) AS found
WHERE (totals.settlement_date, totals.acquirer, totals.merchant_id, totals.terminal_id,
        totals.batch, totals.currency)
    = (found.settlement_date, found.acquirer, found.merchant_id, found.terminal_id,
        found.batch, found.currency);
