"""The words of a receipt: what an end means, whether money moved, who acts, what to do next."""

from typing import Final

import msgspec

from switch.domain.declines import Words
from switch.domain.transactions import Actor, MoneyState
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind

OPERATION_WORDS: Final = {
    Operation.SALE: Words(zh="消费", en="Sale"),
    Operation.INSTALMENT_SALE: Words(zh="分期消费", en="Instalment sale"),
    Operation.VOID: Words(zh="消费撤销", en="Void of a sale"),
    Operation.REFUND: Words(zh="退货", en="Refund"),
    Operation.PRE_AUTHORIZATION: Words(zh="预授权", en="Pre-authorization"),
    Operation.PRE_AUTHORIZATION_VOID: Words(zh="预授权撤销", en="Void of a pre-authorization"),
    Operation.COMPLETION: Words(zh="预授权完成(请求)", en="Completion"),
    Operation.COMPLETION_VOID: Words(zh="预授权完成撤销", en="Void of a completion"),
    Operation.COMPLETION_ADVICE: Words(zh="预授权完成(通知)", en="Completion advice"),
    Operation.OFFLINE: Words(zh="离线结算", en="Offline sale"),
    Operation.ADJUSTMENT: Words(zh="结算调整", en="Adjustment"),
    Operation.TIP: Words(zh="小费", en="Tip"),
    Operation.E_CASH_SALE: Words(zh="电子现金消费", en="E-cash sale"),
    Operation.E_CASH_REFUND: Words(zh="电子现金退货", en="E-cash refund"),
    Operation.BALANCE: Words(zh="余额查询", en="Balance inquiry"),
    Operation.SCRIPT_NOTICE: Words(zh="脚本结果通知", en="Script result notice"),
    Operation.REPEAT: Words(zh="重发上一笔", en="Repeat of the last payment"),
    Operation.REVERSAL: Words(zh="冲正上一笔", en="Reversal of the last payment"),
    Operation.SIGN_ON: Words(zh="签到", en="Sign-on"),
    Operation.SIGN_OFF: Words(zh="签退", en="Sign-off"),
    Operation.ECHO: Words(zh="回响测试", en="Echo"),
    Operation.SETTLEMENT: Words(zh="批结算", en="Batch settlement"),
}
assert set(OPERATION_WORDS) == set(Operation), "an operation without words"
# these move no money and concern no card
MANAGEMENT: Final = frozenset(
    {Operation.SIGN_ON, Operation.SIGN_OFF, Operation.ECHO, Operation.SETTLEMENT}
)
# these give something back; when they fail, the payment that they concern stands
GIVING_BACK: Final = frozenset(
    {
        Operation.VOID,
        Operation.REFUND,
        Operation.PRE_AUTHORIZATION_VOID,
        Operation.COMPLETION_VOID,
        Operation.E_CASH_REFUND,
    }
)
_NOTHING_TO_DO: Final = Words(zh="无需操作", en="Nothing to do")
STAYS_AS_IT_WAS: Final = Words(zh="原交易不变", en="The first payment stays as it was")


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The four things that a receipt must tell."""

    happened: Words
    money_state: MoneyState
    actor: Actor
    next_step: Words
    money: Words | None = None  # said in place of the state's own words


BY_KIND: Final = {
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
            zh="上一笔交易尚未得到确认,本笔未发起",
            en="An earlier payment is not confirmed yet; nothing new was begun",
        ),
        money_state=MoneyState.NOT_DEBITED,
        actor=Actor.MERCHANT,
        next_step=Words(
            zh="稍后重试;持续出现请联系收单机构",
            en="Try again later; if it goes on, call the acquirer",
        ),
    ),
    OutcomeKind.REPEAT_OWED: Explanation(
        happened=Words(
            zh="没有收到应答,报文尚未得到确认",
            en="No answer; the message is not confirmed yet",
        ),
        money_state=MoneyState.UNKNOWN,
        actor=Actor.MERCHANT,
        next_step=Words(
            zh="请勿另行办理;终端将在下一笔交易前自动重发",
            en="Do not do it another way; the terminal sends it again before its next payment",
        ),
    ),
    OutcomeKind.UNBALANCED: Explanation(
        happened=Words(
            zh="批次已结,双方总额不符,明细已上送",
            en="The batch is closed; the totals differ, and its payments were uploaded",
        ),
        money_state=MoneyState.UNKNOWN,
        actor=Actor.ACQUIRER,
        next_step=Words(
            zh="请保存凭条,由收单机构核对差异",
            en="Keep the receipts; the acquirer looks into the difference",
        ),
    ),
    OutcomeKind.KEYS_WRONG: Explanation(
        happened=Words(zh="工作密钥校验失败,未签到", en="A working key is wrong; not signed on"),
        money_state=MoneyState.NOT_DEBITED,
        actor=Actor.ACQUIRER,
        next_step=Words(
            zh="请联系服务商重新灌装主密钥",
            en="Have the terminal's master key loaded again",
        ),
    ),
}
# what became of an earlier payment that was owed something
EARLIER_WORDS: Final = {
    OutcomeKind.APPROVED: Words(zh="现已确认", en="approved, as is known now"),
    OutcomeKind.DECLINED: Words(zh="被拒绝", en="declined, as is known now"),
    OutcomeKind.REVERSED: Words(zh="现已冲正", en="taken back now"),
    OutcomeKind.REVERSAL_REFUSED: Words(zh="冲正与其不符,未执行", en="its reversal was refused"),
    OutcomeKind.REVERSAL_OWED: Words(zh="冲正仍未确认", en="still not taken back"),
    OutcomeKind.REPEAT_OWED: Words(zh="仍未得到确认", en="still not confirmed"),
}
APPROVED: Final = Explanation(
    happened=Words(zh="交易成功", en="Approved"),
    money_state=MoneyState.DEBITED,
    actor=Actor.NOBODY,
    next_step=Words(zh="请交付商品或服务", en="Hand over the goods"),
)
TAKEN_BACK: Final = Explanation(
    happened=Words(zh="冲正已受理", en="The reversal was accepted"),
    money_state=MoneyState.RETURNING,
    actor=Actor.SWITCH,
    next_step=Words(
        zh="无需操作;如已扣款将自动退回", en="Nothing to do; what was debited will be returned"
    ),
)
OUTCOME_OPEN: Final = Explanation(
    happened=Words(zh="未等到应答,结果未知", en="No answer was waited for; the outcome is unknown"),
    money_state=MoneyState.UNKNOWN,
    actor=Actor.MERCHANT,
    next_step=Words(
        zh="请勿重复刷卡;重发同一笔(--repeat)或冲正(reverse)",
        en="Do not charge the card again; send the same again (--repeat) or reverse it",
    ),
)
FIRST_STANDS: Final = Words(
    zh="重发未得到可用应答;以首次结果为准", en="The repeat brought nothing; the first result stands"
)


def _approve(
    zh: str,
    en: str,
    money_state: MoneyState,
    *,
    next_step: Words = _NOTHING_TO_DO,
    money: Words | None = None,
) -> Explanation:
    happened = Words(zh=zh, en=en)
    return Explanation(
        happened=happened,
        money_state=money_state,
        actor=Actor.NOBODY,
        next_step=next_step,
        money=money,
    )


_RECORDED: Final = _approve(
    "已登记,将送发卡方",
    "Recorded; its issuer is told",
    MoneyState.DEBITED,
    money=Words(
        zh="按已扣款登记,发卡方尚未入账", en="Recorded as debited; its issuer has not booked it yet"
    ),
)
RECORDED_AS_CASE: Final = Explanation(
    happened=Words(
        zh="已登记,但无法送发卡方,已转人工处理",
        en="Recorded, but no issuer can be told: a case was opened for it",
    ),
    money_state=MoneyState.NOT_DEBITED,
    actor=Actor.ACQUIRER,
    next_step=Words(
        zh="请凭参考号联系收单机构", en="Ask your acquirer about it by its reference number"
    ),
)
_REFUNDED: Final = _approve(
    "退货成功",
    "Refunded",
    MoneyState.RETURNED,
    money=Words(zh="退货金额已退回", en="The refunded amount was given back"),
)
# what an approval means, where it does not mean that the goods may be handed over
APPROVED_BY_OPERATION: Final = {
    Operation.VOID: _approve("已撤销", "Voided", MoneyState.RETURNED),
    Operation.COMPLETION_VOID: _approve(
        "预授权完成已撤销",
        "The completion is void",
        MoneyState.RETURNED,
        money=Words(zh="扣款已退回,预授权仍有效", en="Returned; the amount is held again"),
    ),
    Operation.REFUND: _REFUNDED,
    Operation.E_CASH_REFUND: _REFUNDED,
    Operation.PRE_AUTHORIZATION: _approve(
        "预授权成功",
        "Authorized",
        MoneyState.NOT_DEBITED,
        next_step=Words(zh="完成或撤销前金额保持冻结", en="Complete it or void it later"),
        money=Words(zh="已冻结,未扣款", en="Held, not debited"),
    ),
    Operation.PRE_AUTHORIZATION_VOID: _approve(
        "预授权已撤销",
        "The pre-authorization is void",
        MoneyState.NOT_DEBITED,
        money=Words(zh="已解除冻结", en="No longer held"),
    ),
    Operation.OFFLINE: _RECORDED,
    Operation.ADJUSTMENT: _RECORDED,
    Operation.TIP: _RECORDED,
    Operation.E_CASH_SALE: _RECORDED,
    Operation.COMPLETION_ADVICE: _RECORDED,
    Operation.BALANCE: _approve("查询成功", "Answered", MoneyState.NOT_DEBITED),
    Operation.SCRIPT_NOTICE: _approve("已受理", "Accepted", MoneyState.NOT_DEBITED),
    Operation.SIGN_ON: _approve("签到成功,密钥已更新", "Signed on", MoneyState.NOT_DEBITED),
    Operation.SIGN_OFF: _approve("签退成功", "Signed off", MoneyState.NOT_DEBITED),
    Operation.ECHO: _approve("线路正常", "The switch is there", MoneyState.NOT_DEBITED),
    Operation.SETTLEMENT: _approve(
        "批次平账,已结", "The batch is balanced and closed", MoneyState.NOT_DEBITED
    ),
}
RETURN_UNKNOWN: Final = Words(
    zh="是否已退回尚不确定,正在确认", en="Not known yet whether it was given back"
)
VOID_UNKNOWN: Final = Explanation(
    happened=Words(zh="撤销结果确认中", en="Nobody knows yet whether the issuer carried this out"),
    money_state=MoneyState.UNKNOWN,
    actor=Actor.SWITCH,
    next_step=Words(
        zh="请凭参考号查询;本次撤销正在冲正,确认后原交易保持不变",
        en="Look it up by its reference number; it is being taken back, and then the first payment"
        " stands as before",
    ),
    money=RETURN_UNKNOWN,
)
VOID_TAKEN_BACK: Final = Explanation(
    happened=Words(zh="本次撤销已冲正", en="The void itself was taken back"),
    money_state=MoneyState.DEBITED,
    actor=Actor.MERCHANT,
    next_step=Words(zh="如仍需撤销,请重新发起", en="Void it again if it must be void"),
    money=STAYS_AS_IT_WAS,
)
NOTHING_MOVED: Final = Explanation(
    happened=Words(zh="未收到应答", en="No answer"),
    money_state=MoneyState.NOT_DEBITED,
    actor=Actor.MERCHANT,
    next_step=Words(zh="请稍后重试", en="Try again later"),
)
SETTLE_AGAIN: Final = Words(
    zh="批结算未完成,请再次结算(settle),将从中断处继续",
    en="The settlement is not finished; settle again, and it goes on where it stopped",
)


def name_keys_merchant(merchant_id: str) -> Words:
    """Say what to do about a MAC that was made with the keys of another merchant's sign-on."""
    return Words(
        zh=f"工作密钥是以商户 {merchant_id} 签到取得的:请以该商户交易;终端已换商户的,请先重新签到",
        en=f"The keys are of a sign-on as merchant {merchant_id}: pay as that one; if the terminal"
        " is another merchant's now, sign on first",
    )
