"""A POS terminal: messages, the reversal it owes, receipts; no I/O."""
