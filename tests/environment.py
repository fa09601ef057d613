"""Settings, as environment variables, of the switches that tests start as processes."""

# a free port for every listener, and time: a busy disk must not decline what a test waits for
CALM_SWITCH = {
    "SWITCH__GATEWAY__UNIONPAY_POS_ADDRESS": "127.0.0.1:0",
    "SWITCH__GATEWAY__ISO1987_ASCII_ADDRESS": "127.0.0.1:0",
    "SWITCH__HTTP__ADDRESS": "127.0.0.1:0",
    "SWITCH__ISSUER_SIMULATOR__ADDRESS": "127.0.0.1:0",
    "SWITCH__TIMES__SEND_WINDOW_MS": "2000",
}
