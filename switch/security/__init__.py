"""MACs, card tokens, sealing and the keys for them; nothing here shows a key or a card."""
