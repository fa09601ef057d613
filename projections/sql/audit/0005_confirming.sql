-- When an issuer answered a reversal that one more attempt must confirm.
ALTER TABLE payments ADD COLUMN answered_at_ms bigint NOT NULL DEFAULT 0;
