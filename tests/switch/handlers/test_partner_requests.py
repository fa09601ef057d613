"""A partner's payments, voids, refunds, captures and reversals, through a whole partition."""

import msgspec
import pytest

from switch.domain.clock import Now
from switch.domain.payment.payment import Phase
from switch.domain.registry.events import MerchantRegistered
from switch.domain.transactions import TransactionType
from switch.eventlog.inbound import RequestReceived
from switch.handlers.actions import ReadOriginal
from tests.switch.handlers.conftest import ACQUIRER, MERCHANT, PAN

OTHER_MERCHANT = "898110154110002"
HOUR_MS = 3_600_000


class Partner:
    """A partner at a partition: what it asks, and what it is told."""

    def __init__(self, world):
        self.world = world
        self.told = {}
        self.read = []
        open_reply, take_actions = world._open_reply, world.partition.take_actions

        def hear(action):
            reply = action.reply
            if reply.sealed_answer:
                open_reply(action)
            else:
                self.told[reply.inbound_id] = (reply.status, msgspec.json.decode(reply.body))

        def take():
            actions = take_actions()
            self.read += [one.rrn for one in actions if isinstance(one, ReadOriginal)]
            return [one for one in actions if not isinstance(one, ReadOriginal)]

        world._open_reply = hear
        world.partition.take_actions = take
        for number, merchant_id in enumerate((MERCHANT, OTHER_MERCHANT)):
            merchant = world.registry.find_merchant(MERCHANT)
            merchant = msgspec.structs.replace(
                merchant,
                merchant_id=merchant_id,
                transactions=tuple(set(TransactionType) - {TransactionType.UNKNOWN}),
            )
            world.registry.apply(50 + number, MerchantRegistered(merchant=merchant))

    def ask(self, key, *, acknowledged=True, merchant=MERCHANT, card=True, **fields):
        """Ask; return the inbound id."""
        world = self.world
        inbound_id = f"gw-json-{len(world.inbound)}"
        fields = {"client_id": "c", "merchant_id": merchant, "idempotency_key": key, **fields}
        is_payment = "operation" not in fields
        world.inbound.append(
            RequestReceived(
                inbound_id=inbound_id,
                gateway="gw",
                channel="json",
                acquirer=ACQUIRER,
                partition_key=f"{ACQUIRER}|{merchant}",
                mti="",
                fields=fields,
                received_at=world.now.wall_ms,
                start_before=world.now.wall_ms + 1_750,
                deadline_at=world.now.wall_ms + 5_000,
                card=world.keys.vault.protect(PAN, "3012", inbound_id)
                if is_payment and card
                else None,
            )
        )
        return world.deliver(world.inbound[-1], acknowledged=acknowledged)

    def pay(self, key="sale", minor=1000, **fields):
        asked = self.ask(key, amount_minor=str(minor), currency="156", **fields)
        self.world.issuer_says("00", authorization_id="A1")
        return self.told[asked]

    def change(self, operation, rrn, key="change", *, code="00", **fields):
        """Void, refund, capture or reverse; the issuer answers if it was asked anything."""
        before = len(self.world.sent)
        asked = self.ask(key, operation=operation, original_rrn=rrn, **fields)
        if code and len(self.world.sent) > before:
            self.world.issuer_says(code)
        return self.told.get(asked)

    def refund(self, rrn, minor, key="refund", **more):
        return self.change("refund", rrn, key, amount_minor=str(minor), currency="156", **more)


@pytest.fixture
def partner(world):
    return Partner(world)


def _standing(body):
    return body["status"], body["money_state"]


# -- what each operation does ----------------------------------------------------------------------


def test_a_void_takes_card_and_amount_from_the_payment_that_it_names(partner):
    _, sale = partner.pay()
    status, void = partner.change("void", sale["rrn"])
    assert (status, *_standing(void)) == (201, "approved", "returned")
    assert (void["transaction"], void["original_rrn"]) == ("sale-void", sale["rrn"])
    assert void["rrn"] != sale["rrn"]
    assert (void["amount_minor"], void["card"]) == (1000, sale["card"])


@pytest.mark.parametrize(
    ("kinds", "operation", "transaction"),
    [
        ([], "void", "sale-void"),
        (["pre-authorization"], "void", "pre-authorization-void"),
        (["pre-authorization", "capture"], "void", "completion-void"),
        (["pre-authorization"], "capture", "completion"),
    ],
)
def test_what_a_void_or_a_capture_is_follows_from_its_original(
    partner, kinds, operation, transaction
):
    _, last = partner.pay(transaction=kinds[0] if kinds else "sale")
    if "capture" in kinds:
        _, last = partner.change("capture", last["rrn"], "capture-1")
    _, changed = partner.change(operation, last["rrn"])
    assert (changed["status"], changed["transaction"]) == ("approved", transaction)
    assert changed["original_rrn"] == last["rrn"]


def test_refunds_in_parts_are_each_a_transaction_of_their_own(partner):
    _, sale = partner.pay()
    _, first = partner.refund(sale["rrn"], 400, "r-1")
    _, second = partner.refund(sale["rrn"], 600, "r-2")
    assert first["amount_minor"] + second["amount_minor"] == 1000
    assert len({sale["rrn"], first["rrn"], second["rrn"]}) == 3
    _, third = partner.refund(sale["rrn"], 1, "r-3")
    assert (third["status"], third["response_code"]) == ("declined", "61")
    assert third["money_state"] == "returned"


@pytest.mark.parametrize(("minor", "status"), [(1150, "approved"), (1151, "declined")])
def test_a_capture_takes_at_most_115_percent(partner, minor, status):
    _, hold = partner.pay(transaction="pre-authorization")
    _, capture = partner.change("capture", hold["rrn"], amount_minor=str(minor), currency="156")
    assert (capture["status"], capture["amount_minor"]) == (status, minor)


def test_a_capture_without_an_amount_takes_what_is_held(partner):
    _, hold = partner.pay(transaction="pre-authorization")
    _, capture = partner.change("capture", hold["rrn"])
    assert _standing(capture) == ("approved", "debited")
    assert capture["amount_minor"] == 1000


def test_a_void_that_states_another_amount_is_declined(partner):
    _, sale = partner.pay()
    _, void = partner.change("void", sale["rrn"], amount_minor="999", currency="156")
    assert (void["status"], void["response_code"]) == ("declined", "64")


# -- where the money is, in words that fit ---------------------------------------------------------


def test_a_void_that_the_issuer_refuses_leaves_the_money_debited(partner):
    _, sale = partner.pay()
    status, void = partner.change("void", sale["rrn"], code="05")
    assert (status, *_standing(void)) == (201, "declined", "debited")


def test_a_second_void_says_that_the_money_went_back_already(partner):
    _, sale = partner.pay()
    partner.change("void", sale["rrn"], "v-1")
    status, void = partner.change("void", sale["rrn"], "v-2")
    assert (status, *_standing(void)) == (201, "declined", "returned")
    assert void["reason_code"] == "original-not-open"


def test_a_void_of_what_was_declined_never_says_debited(partner, world):
    asked = partner.ask("k", amount_minor="1051", currency="156")
    world.issuer_says("51")
    _, void = partner.change("void", partner.told[asked][1]["rrn"])
    assert _standing(void) == ("declined", "not-debited")
    assert void["reason_code"] == "original-not-open"


def test_a_void_without_an_answer_is_202_and_ends_with_the_payment_standing(partner, world):
    _, sale = partner.pay()
    asked = partner.ask("v", operation="void", original_rrn=sale["rrn"])
    world.pass_ms(3_200)
    status, void = partner.told[asked]
    assert (status, *_standing(void)) == (202, "unknown", "unknown")
    assert "card was debited" not in void["message_en"]
    assert void["status_url"] == f"/v1/payments/{void['rrn']}"
    world.issuer_says("00")
    world.pass_ms(6_200)
    world.issuer_says("00")
    status, again = partner.change("void", sale["rrn"], "v")
    assert (status, *_standing(again)) == (201, "declined", "debited")
    assert again["retry"] == "new-attempt"
    assert partner.change("void", sale["rrn"], "v-2")[1]["status"] == "approved"


def test_a_refund_without_an_answer_is_202_and_may_still_be_approved(partner, world):
    _, sale = partner.pay()
    asked = partner.ask(
        "r", operation="refund", original_rrn=sale["rrn"], amount_minor="300", currency="156"
    )
    world.pass_ms(3_200)
    status, refund = partner.told[asked]
    assert (status, *_standing(refund)) == (202, "unknown", "returning")
    assert partner.refund(sale["rrn"], 701, "r-2")[1]["response_code"] == "61"
    assert world.sent_kinds()[-1] == "0221"
    world.issuer_says("00")
    status, again = partner.refund(sale["rrn"], 300, "r", code="")
    assert (status, *_standing(again)) == (201, "approved", "returned")


# -- reverse ---------------------------------------------------------------------------------------


def test_a_reversal_is_accepted_and_the_money_on_its_way(partner, world):
    _, sale = partner.pay()
    status, reversal = partner.change("reverse", sale["rrn"], code="")
    assert (status, *_standing(reversal)) == (201, "reversed", "returning")
    assert (reversal["transaction"], reversal["original_rrn"]) == ("reversal", sale["rrn"])
    world.pass_ms(200)
    assert world.sent_kinds()[-1] == "0420"
    world.issuer_says("00")
    status, again = partner.change("reverse", sale["rrn"])
    assert (status, *_standing(again)) == (201, "reversed", "returned")
    status, other = partner.change("reverse", sale["rrn"], "another-key")
    assert (status, *_standing(other)) == (201, "reversed", "returned")
    assert world.sent_kinds().count("0420") == 1


def test_a_payment_that_was_reversed_says_so_to_its_repeat(partner):
    _, sale = partner.pay("k")
    partner.change("reverse", sale["rrn"], code="")
    asked = partner.ask("k", amount_minor="1000", currency="156", transaction="sale")
    status, body = partner.told[asked]
    assert (status, *_standing(body)) == (201, "reversed", "returning")
    assert body["rrn"] == sale["rrn"]


def test_who_waits_for_a_payment_hears_that_it_was_reversed_meanwhile(partner, world):
    waits = partner.ask("k", amount_minor="1000", currency="156")
    rrn = world.sent[-1].request.match.rrn
    status, reversal = partner.change("reverse", rrn, code="")
    assert (status, *_standing(reversal)) == (201, "reversed", "returning")
    assert waits not in partner.told
    world.issuer_says("00")
    status, body = partner.told[waits]
    assert (status, *_standing(body)) == (201, "reversed", "returning")


def test_a_reversed_void_lets_the_payment_stand_again(partner, world):
    _, sale = partner.pay()
    _, void = partner.change("void", sale["rrn"])
    assert partner.change("reverse", void["rrn"], "x", code="")[1]["status"] == "reversed"
    world.pass_ms(200)
    world.issuer_says("00")
    _, again = partner.change("reverse", void["rrn"], "x")
    assert _standing(again) == ("reversed", "debited")
    assert partner.refund(sale["rrn"], 1000)[1]["status"] == "approved"


def test_a_refund_is_never_reversed(partner, world):
    _, sale = partner.pay()
    _, refund = partner.refund(sale["rrn"], 400)
    status, told = partner.change("reverse", refund["rrn"])
    assert (status, told["status"], told["reason_code"]) == (201, "declined", "txn-not-supported")
    assert "CaseOpened" not in world.tags()


@pytest.mark.parametrize(
    ("operation", "money"), [("void", "returned"), ("refund", "returned"), ("capture", "debited")]
)
def test_what_was_changed_is_not_reversed_behind_the_change(partner, world, operation, money):
    kind = "pre-authorization" if operation == "capture" else "sale"
    _, payment = partner.pay(transaction=kind)
    partner.change(operation, payment["rrn"], "first", amount_minor="1000", currency="156")
    status, told = partner.change("reverse", payment["rrn"], "second")
    assert (status, *_standing(told)) == (201, "declined", money)
    assert told["reason_code"] == "original-not-open"
    assert "CaseOpened" not in world.tags()
    assert "0420" not in world.sent_kinds()


def test_a_captures_void_is_not_reversed_once_its_hold_was_used_again(partner):
    _, hold = partner.pay(transaction="pre-authorization")
    _, capture = partner.change("capture", hold["rrn"], "c-1")
    _, void = partner.change("void", capture["rrn"], "v")
    assert partner.change("capture", hold["rrn"], "c-2")[1]["status"] == "approved"
    status, told = partner.change("reverse", void["rrn"], "x")
    assert (status, *_standing(told)) == (201, "declined", "returned")
    assert told["detail"].startswith("its pre-authorization is completed")


def test_while_another_change_runs_a_reversal_is_refused(partner):
    _, sale = partner.pay()
    partner.ask("v", operation="void", original_rrn=sale["rrn"])
    _, told = partner.change("reverse", sale["rrn"])
    assert (told["status"], told["reason_code"]) == ("declined", "original-held")
    assert told["retry"] == "new-attempt"


# -- who may, and what is found --------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["void", "refund", "capture", "reverse"])
def test_what_is_not_found_is_404_and_leaves_no_tombstone(partner, world, operation):
    status, problem = partner.change(operation, "010000009999")
    assert (status, problem["status"]) == (404, 404)
    assert problem["reason_code"] == "original-not-found"
    assert "TombstoneSet" not in world.tags()
    assert partner.change(operation, "010000009999")[0] == 404


@pytest.mark.parametrize("operation", ["void", "refund", "capture", "reverse"])
def test_another_merchants_payment_is_not_there_and_its_card_stays_its_own(
    partner, world, operation
):
    _, sale = partner.pay()
    status, problem = partner.change(operation, sale["rrn"], merchant=OTHER_MERCHANT)
    assert status == 404
    assert "card" not in msgspec.json.encode(problem).decode()
    asked = partner.ask(
        "k", merchant=OTHER_MERCHANT, card=False, card_token=sale["card_token"],
        amount_minor="1", currency="156",
    )  # fmt: skip
    assert partner.told[asked][0] == 400
    assert len(world.sent) == 1


def test_what_cannot_be_changed_so_is_declined_with_its_kind(partner):
    _, sale = partner.pay()
    status, told = partner.change("capture", sale["rrn"])
    assert (status, told["reason_code"], told["detail"]) == (
        201,
        "original-not-found",
        "it is a sale",
    )


def test_a_partner_cannot_reverse_what_a_terminals_batch_counts(partner, world, make_message):
    world.send(make_message())
    rrn = world.sent[-1].request.match.rrn
    world.issuer_says("00")
    for operation in ("void", "reverse"):
        status, told = partner.change(operation, rrn, operation)
        assert (status, told["reason_code"]) == (201, "original-of-other-batch")
    assert partner.refund(rrn, 40)[1]["status"] == "approved"


@pytest.mark.parametrize(
    ("hours", "status"), [(12, "approved"), (30, "declined")], ids=["same-day", "next-day"]
)
def test_a_void_belongs_to_the_settlement_day_of_its_payment(partner, world, hours, status):
    start = world.now
    world.now = Now(start.wall_ms - start.wall_ms % (24 * HOUR_MS), start.boot_ms)
    world.partition.on_registry_confirmed(world.now.boot_ms)
    _, sale = partner.pay()
    world.now = Now(world.now.wall_ms + hours * HOUR_MS, start.boot_ms)
    _, void = partner.change("void", sale["rrn"])
    assert void["status"] == status
    if status == "declined":
        assert void["reason_code"] == "original-of-other-batch"
        assert "Refund it instead" in void["next_action_en"]


# -- keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["void", "refund", "reverse"])
def test_a_repeat_gets_the_same_answer_and_nothing_is_sent_again(partner, world, operation):
    _, sale = partner.pay()
    amount = {"amount_minor": "1000", "currency": "156"}
    first = partner.change(operation, sale["rrn"], code="00", **amount)
    count = len(world.sent)
    assert partner.change(operation, sale["rrn"], **amount) == first
    assert len(world.sent) == count


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("void", "reverse"),
        ("reverse", "void"),
        ("reverse", "refund"),
        ("refund", "void"),
        ("void", "refund"),
    ],
)
def test_a_key_names_one_request_of_one_kind(partner, world, first, second):
    _, sale = partner.pay()
    amount = {"amount_minor": "1000", "currency": "156"}
    partner.change(first, sale["rrn"], "k", **amount)
    count = len(world.sent)
    status, problem = partner.change(second, sale["rrn"], "k", **amount)
    assert (status, problem["reason_code"]) == (422, "duplicate-conflict")
    assert len(world.sent) == count


def test_a_payments_key_serves_no_reversal_and_the_reverse(partner, world):
    _, sale = partner.pay("k")
    assert partner.change("reverse", sale["rrn"], "k")[0] == 422
    partner.change("reverse", sale["rrn"], "x", code="")
    asked = partner.ask("x", amount_minor="1000", currency="156")
    assert partner.told[asked][0] == 422
    assert world.sent_kinds().count("0200") == 1


def test_the_same_key_for_another_payment_is_422(partner):
    _, one = partner.pay("k-1")
    _, two = partner.pay("k-2", minor=2000)
    assert partner.change("void", one["rrn"], "v")[0] == 201
    assert partner.change("void", two["rrn"], "v")[0] == 422


def test_a_void_that_still_runs_is_409_for_its_repeat(partner):
    _, sale = partner.pay()
    partner.ask("v", operation="void", original_rrn=sale["rrn"])
    status, problem = partner.change("void", sale["rrn"], "v")
    assert (status, problem["retry"]) == (409, "same-key")


# -- payments of long ago --------------------------------------------------------------------------


def _forget(partner, world, rrn):
    """Let eight days pass, so that the partition no longer remembers the payment."""
    payment = world.book.find_payment(rrn)
    world.now = Now(world.now.wall_ms + 8 * 24 * HOUR_MS, world.now.boot_ms)
    partner.ask("later", amount_minor="1", currency="156")
    world.issuer_says("00")
    assert world.book.find_payment(rrn) is None
    return payment


def test_a_refund_of_a_payment_long_past_is_read_back(partner, world):
    _, sale = partner.pay()
    payment = _forget(partner, world, sale["rrn"])
    asked = partner.ask(
        "r", operation="refund", original_rrn=sale["rrn"], amount_minor="300", currency="156"
    )
    assert partner.read == [sale["rrn"]]
    world.partition.on_original(sale["rrn"], payment, "", world.now)
    world.pump()
    world.acknowledge()
    world.issuer_says("00")
    assert partner.told[asked][1]["status"] == "approved"
    assert partner.told[asked][1]["original_rrn"] == sale["rrn"]


def test_an_original_that_cannot_be_read_now_is_503_and_the_key_stays_free(partner, world):
    _, sale = partner.pay()
    payment = _forget(partner, world, sale["rrn"])
    fields = {
        "operation": "refund",
        "original_rrn": sale["rrn"],
        "amount_minor": "300",
        "currency": "156",
    }
    asked = partner.ask("r", **fields)
    world.partition.on_original(sale["rrn"], None, "the log is away", world.now)
    world.pump()
    world.acknowledge()
    status, problem = partner.told[asked]
    assert (status, problem["retry"]) == (503, "same-key")
    asked = partner.ask("r", **fields)
    world.partition.on_original(sale["rrn"], payment, "", world.now)
    world.pump()
    world.acknowledge()
    world.issuer_says("00")
    assert partner.told[asked][1]["status"] == "approved"


def test_a_payment_long_past_can_no_longer_be_reversed(partner, world):
    _, sale = partner.pay()
    _forget(partner, world, sale["rrn"])
    assert partner.change("reverse", sale["rrn"])[0] == 404


# -- after a restart -------------------------------------------------------------------------------


def test_everything_is_answered_alike_by_a_successor(partner, world):
    _, sale = partner.pay()
    _, void = partner.change("void", sale["rrn"], "v")
    partner.change("reverse", void["rrn"], "x", code="")
    world.restart()
    again = Partner(world)
    assert again.change("void", sale["rrn"], "v")[1]["status"] == "reversed"
    assert again.change("reverse", void["rrn"], "x")[1]["status"] == "reversed"
    assert world.book.find_payment(void["rrn"]).phase is Phase.REVERSING
