-- A rebuild fills the tables first and runs this file afterwards.
ALTER TABLE events ADD PRIMARY KEY (partition, journal_offset, event_index);
CREATE INDEX events_by_rrn ON events (rrn) WHERE rrn <> '';
CREATE INDEX events_by_key ON events (idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX events_by_stan ON events (stan, terminal_id) WHERE stan <> '';
CREATE INDEX payments_by_time ON payments (opened_at_ms DESC);
