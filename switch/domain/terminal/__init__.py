"""A terminal in its own partition: sign-on, keys, batches; the registry only says how it starts."""
