"""Who may do what: merchants and who serves them, terminals, issuers, partners, operators."""
