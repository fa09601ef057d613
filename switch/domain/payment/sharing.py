"""
What is the same in almost every payment is held once: a third of a payment's memory.

Text that was decoded is an object of its own each time, also where the same words come in every
message of a terminal. The fold puts one object in the place of all that are equal.
"""

import functools
from sys import intern
from typing import Final

from msgspec.structs import replace

from switch.domain.card import Card
from switch.domain.money import Money
from switch.domain.payment.payment import RouteTerms, SettlementLine
from switch.domain.payment.requests import Answer, PaymentRequest

_TERMS_COUNT_MAX: Final = 4_096  # merchants that a partition sees, times their issuers


def share_request(request: PaymentRequest) -> PaymentRequest:
    """Return an equal request without words of its own."""
    card, amount = request.card, request.amount
    return replace(
        request,
        channel=intern(request.channel),
        acquirer=intern(request.acquirer),
        merchant_id=intern(request.merchant_id),
        terminal_id=intern(request.terminal_id),
        batch=intern(request.batch),
        mti=intern(request.mti),
        processing_code=intern(request.processing_code),
        pos_entry_mode=intern(request.pos_entry_mode),
        pos_condition_code=intern(request.pos_condition_code),
        transaction_code=intern(request.transaction_code),
        merchant_type=intern(request.merchant_type),
        local_date=intern(request.local_date),
        card=None if card is None else _share_card(card),
        amount=None if amount is None else Money(amount.minor, intern(amount.currency)),
    )


def _share_card(card: Card) -> Card:
    return Card(
        token=card.token,
        token_key_id=intern(card.token_key_id),
        masked_pan=card.masked_pan,
        bin=intern(card.bin),
        sealed_pan=card.sealed_pan,
        seal_key_id=intern(card.seal_key_id),
        seal_id=card.seal_id,
        older_tokens=card.older_tokens,
    )


@functools.lru_cache(maxsize=_TERMS_COUNT_MAX)
def share_terms(terms: RouteTerms | None) -> RouteTerms | None:
    """Return the first terms that were equal to these."""
    return terms


def share_answer(answer: Answer, rrn: str) -> Answer:
    """Return an equal answer without words of its own; `rrn` is its payment's."""
    return replace(
        answer,
        response_code=intern(answer.response_code),
        rrn=rrn if answer.rrn == rrn else answer.rrn,
        reason=intern(answer.reason),
        settlement_date=intern(answer.settlement_date),
    )


def share_line(line: SettlementLine | None, request: PaymentRequest) -> SettlementLine | None:
    """Return an equal line without words of its own; one just written has its request's."""
    if line is None or line.merchant_id is request.merchant_id:
        return line
    return replace(
        line,
        acquirer=intern(line.acquirer),
        merchant_id=intern(line.merchant_id),
        settlement_date=intern(line.settlement_date),
        currency=intern(line.currency),
        terminal_id=intern(line.terminal_id),
        batch=intern(line.batch),
        agent_id=intern(line.agent_id),
    )
