-- A rebuild fills the tables first and runs this file afterwards.
ALTER TABLE lines ADD PRIMARY KEY (partition, journal_offset, event_index);
ALTER TABLE postings ADD PRIMARY KEY (partition, journal_offset, event_index, entry);
CREATE INDEX lines_by_rrn ON lines (rrn);
CREATE INDEX lines_by_merchant ON lines (settlement_date, acquirer, merchant_id);
CREATE INDEX postings_by_day ON postings (settlement_date, currency, account);
