"""Keys and PIN blocks of a whole day: none of them is in any file that an instance leaves."""

import base64

import pytest

from switch.security.pin_block import PinFormat, PinKey, encrypt_pin_block
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind
from tests.faults.counter import PIK, TMK, Counter, open_shops
from tests.faults.stand import until

pytestmark = pytest.mark.process

PIN = "123456"


def encodings(secret):
    """How some bytes may lie in a file: raw, as hex, as base64."""
    text = secret.hex()
    return {secret, text.encode(), text.upper().encode(), base64.b64encode(secret).rstrip(b"=")}


def pin_block(counter):
    key = PinKey("des", counter.state.pik)
    return encrypt_pin_block(PIN, key=key, pin_format=PinFormat.ISO_0, pan=counter.spec.pan)


def test_no_key_and_no_pin_block_is_in_any_file(stand, tmp_path):
    [spec] = open_shops(stand, 1)
    counter = Counter(stand, spec, tmp_path / "pos")
    secrets = {bytes.fromhex(TMK), bytes.fromhex(PIK), bytes.fromhex(spec.mak)}
    for number in range(3):
        sold = counter.order(Operation.SALE, 1_000 + number, pin=PIN)
        assert sold.kind is OutcomeKind.APPROVED, sold
        secrets.add(pin_block(counter))
        assert counter.manage(Operation.SIGN_ON).kind is OutcomeKind.APPROVED
        secrets |= {counter.state.pik, counter.state.mak}
    assert counter.order(Operation.SALE, 1_300, pin=PIN).kind is OutcomeKind.APPROVED
    secrets.add(pin_block(counter))
    assert counter.manage(Operation.SETTLEMENT, wants_upload=True).settlement.uploaded_count == 4
    path = f"/v1/payments/{counter.state.payments[-1].rrn}"
    until(lambda: stand.ask_operator("GET", path)[0] == 200, "projections")
    stand.check(counter.told, [spec.pan])
    wanted = {form for secret in secrets for form in encodings(secret)}
    files = [*stand.data_dir.rglob("*"), stand.output]
    found = {
        path.name
        for path in files
        if path.is_file() and any(form in path.read_bytes() for form in wanted)
    }
    assert not found
