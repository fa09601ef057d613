"""The issuer link: sign-on, echo, matching of answers, late answers kept apart; no I/O."""
