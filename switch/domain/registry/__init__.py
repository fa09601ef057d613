"""Who may do what: acquirers, agents, merchants, terminals, issuers, routes and API clients."""
