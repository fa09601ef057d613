"""Settings of the switches that tests start, where the test is not about how long things take."""

# A machine that stands still for seconds must not decline what a test waits for: each of these is
# many times what it takes when nothing else runs.
CALM_TIMES = {
    "times.terminal_deadline_ms": 60_000,
    "times.issuer_timeout_ms": 20_000,
    "times.issuer_delay_max_ms": 30_000,
    "times.send_window_ms": 5_000,
    "times.append_deadline_ms": 15_000,
    "gateway.append_slow_ms": 10_000,
}

# Where a test waits for the end of an unknown outcome: short enough for that, and long enough that
# what the issuer answers is approved all the same. Below the 4 s of its late answers.
STEADY_TIMES = {
    "times.terminal_deadline_ms": 20_000,
    "times.issuer_timeout_ms": 3_000,
    "times.issuer_delay_max_ms": 3_500,
    "times.send_window_ms": 2_900,
    "times.append_deadline_ms": 10_000,
    "gateway.append_slow_ms": 8_000,
    "handler.reversal_first_repeat_ms": 300,
}


def name_variables(settings: dict[str, object]) -> dict[str, str]:
    """Name settings by section and key as environment variables do."""
    return {
        f"SWITCH__{name.replace('.', '__').upper()}": str(value) for name, value in settings.items()
    }


# as environment variables, with a free port for every listener
CALM_SWITCH = {
    "SWITCH__GATEWAY__UNIONPAY_POS_ADDRESS": "127.0.0.1:0",
    "SWITCH__GATEWAY__ISO1987_ASCII_ADDRESS": "127.0.0.1:0",
    "SWITCH__HTTP__ADDRESS": "127.0.0.1:0",
    "SWITCH__ISSUER_SIMULATOR__ADDRESS": "127.0.0.1:0",
    **name_variables(CALM_TIMES),
}
