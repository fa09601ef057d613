"""Audit: one row for each event and one for each payment."""
