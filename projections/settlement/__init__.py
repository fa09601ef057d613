"""Settlement: lines, double-entry postings and totals."""
