"""Why the switch says no: one enum, in the order of the checks (docs/rules.md 7)."""

import enum


class Reason(enum.Enum):
    """Every refusal of the switch itself, most important first; the first that holds wins."""

    # the gateway, before anything is handed to the log
    GATEWAY_BUSY = "gateway-busy"
    LOG_UNAVAILABLE = "log-unavailable"
    FORMAT_ERROR = "format-error"
    TERMINAL_UNKNOWN = "terminal-unknown"
    # identity
    TERMINAL_WITHOUT_KEY = "terminal-without-key"
    MAC_INVALID = "mac-invalid"
    # idempotency
    DUPLICATE_CONFLICT = "duplicate-conflict"
    LATE_AFTER_REVERSAL = "late-after-reversal"
    ALREADY_REVERSED = "already-reversed"
    STAN_REUSED = "stan-reused"
    # what a reversal may meet
    REVERSAL_MISMATCH = "reversal-mismatch"
    # binding, batch, sign-on
    MERCHANT_NOT_FOUND = "merchant-not-found"
    TERMINAL_NOT_BOUND = "terminal-not-bound"
    TERMINAL_MISMATCH = "terminal-mismatch"
    TERMINAL_INACTIVE = "terminal-inactive"
    SIGN_ON_TOO_OFTEN = "sign-on-too-often"
    MASTER_KEY_MISSING = "master-key-missing"
    KEY_SCHEME_REFUSED = "key-scheme-refused"
    SIGN_ON_REQUIRED = "sign-on-required"
    BATCH_MISMATCH = "batch-mismatch"
    BATCH_FULL = "batch-full"
    # merchant, agents
    MERCHANT_CLOSED = "merchant-closed"
    MERCHANT_FROZEN = "merchant-frozen"
    MERCHANT_NOT_ACTIVE = "merchant-not-active"
    AGENT_NOT_ACTIVE = "agent-not-active"
    MERCHANT_CONFIG_INCOMPLETE = "merchant-config-incomplete"
    # permissions
    TXN_NOT_SUPPORTED = "txn-not-supported"
    TXN_NOT_ENABLED = "txn-not-enabled"
    ENTRY_MODE_NOT_ENABLED = "entry-mode-not-enabled"
    MCC_MISMATCH = "mcc-mismatch"
    # amount and limits
    CURRENCY_NOT_ENABLED = "currency-not-enabled"
    AMOUNT_NOT_POSITIVE = "amount-not-positive"
    AMOUNT_OVER_LIMIT = "amount-over-limit"
    DAILY_AMOUNT_OVER_LIMIT = "daily-amount-over-limit"
    DAILY_COUNT_OVER_LIMIT = "daily-count-over-limit"
    SUSPECTED_DUPLICATE = "suspected-duplicate"
    # the original of a void, refund, completion or adjustment
    ORIGINAL_NOT_FOUND = "original-not-found"
    ORIGINAL_UNREADABLE = "original-unreadable"
    ORIGINAL_CARD_MISMATCH = "original-card-mismatch"
    ORIGINAL_HELD = "original-held"
    ORIGINAL_NOT_OPEN = "original-not-open"
    ORIGINAL_REFUND_ONLY = "original-refund-only"
    ORIGINAL_OF_OTHER_BATCH = "original-of-other-batch"
    ORIGINAL_TOO_OLD = "original-too-old"
    ORIGINAL_AMOUNT_MISMATCH = "original-amount-mismatch"
    REFUND_OVER_REST = "refund-over-rest"
    COMPLETION_OVER_LIMIT = "completion-over-limit"
    # age, registry, route
    REQUEST_STALE = "request-stale"
    REGISTRY_NOT_CONFIRMED = "registry-not-confirmed"
    ISSUER_UNKNOWN = "issuer-unknown"
    NO_ROUTE = "no-route"
    ISSUER_DOWN = "issuer-down"
    PIN_UNUSABLE = "pin-unusable"
    # after the route was recorded, before anything was sent
    SEND_WINDOW_MISSED = "send-window-missed"
    # the issuer's word, or its silence
    ISSUER_DECLINED = "issuer-declined"
    UPSTREAM_UNKNOWN = "upstream-unknown"
    REFUND_UNKNOWN = "refund-unknown"
    INQUIRY_UNANSWERED = "inquiry-unanswered"
    PARTIAL_APPROVAL_REFUSED = "partial-approval-refused"
    INTERNAL_FAULT = "internal-fault"
