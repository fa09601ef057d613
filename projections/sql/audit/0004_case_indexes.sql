-- A rebuild fills the tables first and runs this file afterwards.
CREATE INDEX payments_by_original ON payments (original_rrn) WHERE original_rrn <> '';
CREATE INDEX cases_by_rrn ON cases (rrn) WHERE rrn <> '';
CREATE INDEX cases_unended ON cases (opened_at_ms DESC) WHERE ended_at_ms = 0;
CREATE INDEX cases_by_time ON cases (opened_at_ms DESC);
CREATE INDEX events_by_case ON events ((detail ->> 'case_id')) WHERE tag LIKE 'case-%';
