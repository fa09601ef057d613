"""Registry commands to events: what an operator loads is checked as a whole."""
