"""The receipt: what happened, whether money moved, who must act, what to do next; zh and en."""

import datetime as dt
from collections.abc import Iterator
from typing import Final

import msgspec

from switch.domain.declines import (
    Words,
    actor_words,
    decline_of,
    issuer_code,
    money_words,
)
from switch.domain.money import CURRENCY_EXPONENTS, CURRENCY_NAMES, format_minor
from switch.domain.payment.requests import CASE_OPENED
from switch.domain.reasons import Reason
from switch.domain.transactions import MoneyState
from switch.terminal.batch import BatchTotals
from switch.terminal.operations import PAYMENT_ROWS, Operation
from switch.terminal.outcome import Earlier, OutcomeKind, PosOutcome
from switch.terminal.receipt_words import (
    APPROVED,
    APPROVED_BY_OPERATION,
    BY_KIND,
    EARLIER_WORDS,
    FIRST_STANDS,
    GIVING_BACK,
    MANAGEMENT,
    NOTHING_MOVED,
    OPERATION_WORDS,
    OUTCOME_OPEN,
    RECORDED_AS_CASE,
    RETURN_UNKNOWN,
    SETTLE_AGAIN,
    STAYS_AS_IT_WAS,
    TAKEN_BACK,
    VOID_TAKEN_BACK,
    VOID_UNKNOWN,
    Explanation,
    name_keys_merchant,
)

_BATCH_CURRENCY: Final = "156"
_LOCAL_ZONE: Final = dt.timezone(dt.timedelta(hours=8))
_REASONS: Final = {reason.value: reason for reason in Reason}
_SIGN_ON_FIRST: Final = Words(zh="请先签到", en="Sign on before the next payment")
_UNPROVEN: Final = Words(
    zh="应答无 MAC:尚未用到终端密钥即已拒绝",
    en="The answer has no MAC: refused before the terminal's key was used",
)


def explain(outcome: PosOutcome) -> Explanation:
    """Say what an outcome means; total over every kind of every operation."""
    kind = outcome.kind
    about = outcome.about or outcome.operation
    if kind is OutcomeKind.APPROVED:
        return _explain_approval(outcome, about)
    if kind is OutcomeKind.DECLINED and outcome.keys_merchant_id:
        other = name_keys_merchant(outcome.keys_merchant_id)
        return msgspec.structs.replace(_explain_decline(outcome, about), next_step=other)
    if kind is OutcomeKind.DECLINED:
        return _explain_decline(outcome, about)
    if kind is OutcomeKind.UNANSWERED:
        return _explain_silence(outcome, about)
    if kind is OutcomeKind.REVERSED and about in GIVING_BACK:
        return VOID_TAKEN_BACK
    if kind is OutcomeKind.REVERSED and outcome.operation is Operation.REVERSAL:
        return TAKEN_BACK
    return BY_KIND[kind]


def _explain_approval(outcome: PosOutcome, about: Operation) -> Explanation:
    if outcome.reason == CASE_OPENED:
        return RECORDED_AS_CASE
    if outcome.approved_minor is None:
        return APPROVED_BY_OPERATION.get(about, APPROVED)
    approved = _show_amount(outcome.approved_minor, outcome.currency)
    return msgspec.structs.replace(
        APPROVED,
        happened=Words(zh=f"部分承兑 {approved}", en=f"Approved for {approved} only"),
        next_step=Words(zh="请另行收取差额", en="Collect the rest by other means"),
    )


def _explain_silence(outcome: PosOutcome, about: Operation) -> Explanation:
    if about is Operation.SETTLEMENT:
        return msgspec.structs.replace(NOTHING_MOVED, next_step=SETTLE_AGAIN)
    if about in MANAGEMENT or about is Operation.BALANCE:
        return NOTHING_MOVED
    if outcome.owes_repeat:
        return msgspec.structs.replace(
            BY_KIND[OutcomeKind.REPEAT_OWED], happened=OUTCOME_OPEN.happened
        )
    if outcome.owes_reversal:
        return OUTCOME_OPEN
    return msgspec.structs.replace(OUTCOME_OPEN, happened=FIRST_STANDS, next_step=FIRST_STANDS)


def _explain_decline(outcome: PosOutcome, about: Operation) -> Explanation:
    """Use the switch's own reason where it gave one, else what the code means everywhere."""
    money = STAYS_AS_IT_WAS if about in GIVING_BACK else None
    reason = _REASONS.get(outcome.reason)
    if reason is Reason.UPSTREAM_UNKNOWN and about in GIVING_BACK:
        return VOID_UNKNOWN
    if reason is None or reason is Reason.ISSUER_DECLINED:
        code = issuer_code(outcome.response_code)
        return Explanation(
            happened=Words(zh=code.zh, en=code.en),
            money_state=code.money_state,
            actor=code.actor,
            next_step=Words(zh=code.next_zh, en=code.next_en),
            money=money if code.money_state is MoneyState.NOT_DEBITED else None,
        )
    decline = decline_of(reason)
    return Explanation(
        happened=Words(zh=decline.zh, en=decline.en),
        money_state=decline.money_state,
        actor=decline.actor,
        next_step=Words(zh=decline.next_zh, en=decline.next_en),
        money=money if decline.money_state is MoneyState.NOT_DEBITED else None,
    )


def render_receipt(outcome: PosOutcome) -> str:
    """Write the receipt, one fact a line, Chinese before English."""
    explanation = explain(outcome)
    operation = OPERATION_WORDS[outcome.operation]
    local = dt.datetime.fromtimestamp(outcome.at / 1000, _LOCAL_ZONE)
    actor = actor_words(explanation.actor)
    rows = [
        ("商户 Merchant", outcome.merchant_id),
        ("终端 Terminal", outcome.terminal_id),
        ("批次 Batch", outcome.batch),
        ("流水 STAN", outcome.stan),
        ("时间 Time", local.strftime("%Y-%m-%d %H:%M:%S +08:00")),
        ("交易 Operation", f"{operation.zh} / {operation.en}"),
        ("卡号 Card", outcome.masked_pan),
        ("金额 Amount", _show_asked_amount(outcome)),
        ("参考号 RRN", outcome.rrn),
        ("原参考号 Original", outcome.original_rrn),
        ("授权码 Approval", outcome.authorization_id),
        ("清算日 Settlement", outcome.settlement_date),
        *_list_balances(outcome),
        *_list_totals(outcome),
        ("结果 Result", _show_words(explanation.happened)),
        ("应答码 Code", outcome.response_code),
        ("冲正应答 Reversal", outcome.reversal_code),
        ("原因 Reason", outcome.reason),
        ("说明 Detail", outcome.detail),
        ("经过 Trouble", outcome.trouble),
        ("先前 Before", _show_earlier(outcome.earlier)),
        ("资金 Money", _show_money(outcome, explanation)),
        ("谁处理 Who acts", _show_words(actor)),
        ("下一步 Next", _show_words(explanation.next_step)),
    ]
    if outcome.must_sign_on and not outcome.keys_merchant_id:
        rows.append(("签到 Sign-on", _show_words(_SIGN_ON_FIRST)))
    if not outcome.is_proven:
        rows.append(("注意 Note", _show_words(_UNPROVEN)))
    return "\n".join(f"{_pad(label)}{value}" for label, value in rows if value)


def _show_asked_amount(outcome: PosOutcome) -> str:
    row = PAYMENT_ROWS.get(outcome.about or outcome.operation)
    if row is not None and not row.has_amount:
        return ""
    return _show_amount(outcome.amount_minor, outcome.currency)


def _show_money(outcome: PosOutcome, explanation: Explanation) -> str:
    if outcome.operation in MANAGEMENT or outcome.operation is Operation.SCRIPT_NOTICE:
        return ""
    words = explanation.money or money_words(explanation.money_state)
    is_return = (outcome.about or outcome.operation) in GIVING_BACK
    if is_return and explanation.money_state is MoneyState.UNKNOWN:
        words = RETURN_UNKNOWN
    return _show_words(words)


def _show_earlier(earlier: Earlier | None) -> str:
    if earlier is None:
        return ""
    facts = f"{_show_words(OPERATION_WORDS[earlier.operation])} {earlier.stan}"
    if PAYMENT_ROWS[earlier.operation].has_amount:
        facts += f", {_show_amount(earlier.amount_minor, earlier.currency)}"
    return f"{facts}: {_show_words(EARLIER_WORDS[earlier.kind])}"


def _list_balances(outcome: PosOutcome) -> Iterator[tuple[str, str]]:
    for balance in outcome.balances:
        yield "余额 Balance", _show_amount(balance.minor, balance.currency)


def _list_totals(outcome: PosOutcome) -> Iterator[tuple[str, str]]:
    settlement = outcome.settlement
    if settlement is None:
        return
    yield "本机 Terminal", _show_totals(settlement.totals)
    if settlement.switch_totals is not None:
        yield "平台 Switch", _show_totals(settlement.switch_totals)
    if settlement.uploaded_count:
        yield "上送 Uploaded", str(settlement.uploaded_count)


def _show_totals(totals: BatchTotals) -> str:
    return (
        f"借记 debit {totals.debit_count} = {_show_amount(totals.debit_minor, _BATCH_CURRENCY)},"
        f" 贷记 credit {totals.credit_count} = {_show_amount(totals.credit_minor, _BATCH_CURRENCY)}"
    )


_LABEL_COLUMNS: Final = 20


def _pad(label: str) -> str:
    """Fill a label up to its columns; a Chinese character takes two."""
    columns = sum(1 if char.isascii() else 2 for char in label)
    return label + " " * max(_LABEL_COLUMNS - columns, 1)


def _show_words(words: Words) -> str:
    return f"{words.zh} / {words.en}"


def _show_amount(minor: int, currency: str) -> str:
    if currency not in CURRENCY_EXPONENTS:
        return f"{minor} {currency}".strip() if minor else ""
    return f"{format_minor(minor, currency)} {CURRENCY_NAMES[currency]}"
