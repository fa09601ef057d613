"""The receipt: what happened, whether money moved, who must act, what to do next; zh and en."""

import datetime as dt
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
from switch.domain.reasons import Reason
from switch.domain.transactions import Actor, MoneyState
from switch.terminal.outcome import Operation, OutcomeKind, PosOutcome

_LOCAL_ZONE: Final = dt.timezone(dt.timedelta(hours=8))
_REASONS: Final = {reason.value: reason for reason in Reason}
_OPERATIONS: Final = {
    Operation.SALE: Words(zh="消费", en="Sale"),
    Operation.REPEAT: Words(zh="重发上一笔", en="Repeat of the last payment"),
    Operation.REVERSAL: Words(zh="冲正上一笔", en="Reversal of the last payment"),
}
_SIGN_ON_FIRST: Final = Words(zh="请先签到", en="Sign on before the next payment")
_UNPROVEN: Final = Words(
    zh="应答无 MAC:尚未用到终端密钥即已拒绝",
    en="The answer has no MAC: refused before the terminal's key was used",
)


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The four things that a receipt must tell."""

    happened: Words
    money_state: MoneyState
    actor: Actor
    next_step: Words


_BY_KIND: Final = {
    OutcomeKind.REVERSED: Explanation(
        happened=Words(
            zh="没有收到可用的应答,交易已冲正", en="No usable answer; the payment was taken back"
        ),
        money_state=MoneyState.RETURNING,
        actor=Actor.MERCHANT,
        next_step=Words(
            zh="请勿交付商品;可重新发起交易",
            en="Do not hand over the goods; a new payment may be started",
        ),
    ),
    OutcomeKind.REVERSAL_OWED: Explanation(
        happened=Words(
            zh="没有收到可用的应答,冲正尚未确认",
            en="No usable answer, and the reversal is not confirmed yet",
        ),
        money_state=MoneyState.UNKNOWN,
        actor=Actor.MERCHANT,
        next_step=Words(
            zh="请勿重复刷卡;终端将在下一笔交易前自动再次冲正",
            en="Do not charge the card again; the terminal reverses it before its next payment",
        ),
    ),
    OutcomeKind.REVERSAL_REFUSED: Explanation(
        happened=Words(zh="冲正与原交易不符,未执行", en="The reversal does not fit the payment"),
        money_state=MoneyState.UNKNOWN,
        actor=Actor.ACQUIRER,
        next_step=Words(
            zh="请持本凭条联系收单机构核实原交易",
            en="Ask the acquirer about the original payment, with this receipt",
        ),
    ),
    OutcomeKind.NOT_SENT: Explanation(
        happened=Words(zh="无法连接交换平台,交易未发出", en="No connection; nothing was sent"),
        money_state=MoneyState.NOT_DEBITED,
        actor=Actor.MERCHANT,
        next_step=Words(zh="检查网络后重新发起交易", en="Check the network, then try again"),
    ),
    OutcomeKind.BLOCKED: Explanation(
        happened=Words(
            zh="上一笔交易的冲正尚未得到确认,本笔未发起",
            en="An earlier payment's reversal is not confirmed; this payment was not begun",
        ),
        money_state=MoneyState.NOT_DEBITED,
        actor=Actor.MERCHANT,
        next_step=Words(
            zh="稍后重试;持续出现请联系收单机构",
            en="Try again later; if it goes on, call the acquirer",
        ),
    ),
}
_APPROVED: Final = Explanation(
    happened=Words(zh="交易成功", en="Approved"),
    money_state=MoneyState.DEBITED,
    actor=Actor.NOBODY,
    next_step=Words(zh="请交付商品或服务", en="Hand over the goods"),
)
_TAKEN_BACK: Final = Explanation(
    happened=Words(zh="冲正已受理", en="The reversal was accepted"),
    money_state=MoneyState.RETURNING,
    actor=Actor.SWITCH,
    next_step=Words(
        zh="无需操作;如已扣款将自动退回", en="Nothing to do; what was debited will be returned"
    ),
)
_OUTCOME_OPEN: Final = Explanation(
    happened=Words(zh="未等到应答,结果未知", en="No answer was waited for; the outcome is unknown"),
    money_state=MoneyState.UNKNOWN,
    actor=Actor.MERCHANT,
    next_step=Words(
        zh="请勿重复刷卡;重发同一笔(--repeat)或冲正(reverse)",
        en="Do not charge the card again; send the same again (--repeat) or reverse it",
    ),
)
_FIRST_STANDS: Final = Words(
    zh="重发未得到可用应答;以首次结果为准", en="The repeat brought nothing; the first result stands"
)


def explain(outcome: PosOutcome) -> Explanation:
    """Say what an outcome means; total over every kind."""
    kind = outcome.kind
    if kind is OutcomeKind.APPROVED:
        return _explain_approval(outcome)
    if kind is OutcomeKind.DECLINED:
        return _explain_decline(outcome)
    if kind is OutcomeKind.UNANSWERED:
        if outcome.owes_reversal:
            return _OUTCOME_OPEN
        return msgspec.structs.replace(
            _OUTCOME_OPEN, happened=_FIRST_STANDS, next_step=_FIRST_STANDS
        )
    if kind is OutcomeKind.REVERSED and outcome.operation is Operation.REVERSAL:
        return _TAKEN_BACK
    return _BY_KIND[kind]


def _explain_approval(outcome: PosOutcome) -> Explanation:
    if outcome.approved_minor is None:
        return _APPROVED
    approved = _show_amount(outcome.approved_minor, outcome.currency)
    return msgspec.structs.replace(
        _APPROVED,
        happened=Words(zh=f"部分承兑 {approved}", en=f"Approved for {approved} only"),
        next_step=Words(zh="请另行收取差额", en="Collect the rest by other means"),
    )


def _explain_decline(outcome: PosOutcome) -> Explanation:
    """Use the switch's own reason where it gave one, else what the code means everywhere."""
    reason = _REASONS.get(outcome.reason)
    if reason is None or reason is Reason.ISSUER_DECLINED:
        code = issuer_code(outcome.response_code)
        return Explanation(
            happened=Words(zh=code.zh, en=code.en),
            money_state=code.money_state,
            actor=code.actor,
            next_step=Words(zh=code.next_zh, en=code.next_en),
        )
    decline = decline_of(reason)
    return Explanation(
        happened=Words(zh=decline.zh, en=decline.en),
        money_state=decline.money_state,
        actor=decline.actor,
        next_step=Words(zh=decline.next_zh, en=decline.next_en),
    )


def render_receipt(outcome: PosOutcome) -> str:
    """Write the receipt, one fact a line, Chinese before English."""
    explanation = explain(outcome)
    operation = _OPERATIONS[outcome.operation]
    local = dt.datetime.fromtimestamp(outcome.at / 1000, _LOCAL_ZONE)
    money, actor = money_words(explanation.money_state), actor_words(explanation.actor)
    rows = [
        ("商户 Merchant", outcome.merchant_id),
        ("终端 Terminal", outcome.terminal_id),
        ("批次 Batch", outcome.batch),
        ("流水 STAN", outcome.stan),
        ("时间 Time", local.strftime("%Y-%m-%d %H:%M:%S +08:00")),
        ("交易 Operation", f"{operation.zh} / {operation.en}"),
        ("卡号 Card", outcome.masked_pan),
        ("金额 Amount", _show_amount(outcome.amount_minor, outcome.currency)),
        ("参考号 RRN", outcome.rrn),
        ("授权码 Approval", outcome.authorization_id),
        ("清算日 Settlement", outcome.settlement_date),
        ("结果 Result", _show_words(explanation.happened)),
        ("应答码 Code", outcome.response_code),
        ("原因 Reason", outcome.reason),
        ("说明 Detail", outcome.detail),
        ("经过 Trouble", outcome.trouble),
        ("资金 Money", _show_words(money)),
        ("谁处理 Who acts", _show_words(actor)),
        ("下一步 Next", _show_words(explanation.next_step)),
    ]
    if outcome.must_sign_on:
        rows.append(("签到 Sign-on", _show_words(_SIGN_ON_FIRST)))
    if not outcome.is_proven:
        rows.append(("注意 Note", _show_words(_UNPROVEN)))
    return "\n".join(f"{_pad(label)}{value}" for label, value in rows if value)


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
