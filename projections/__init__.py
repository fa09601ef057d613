"""Read models: what the journal means in rows of PostgreSQL; always rebuildable from it."""
