"""Codec against pyiso8583 in one process: a sale of 16 elements, every element read and checked.

Both read and write the same bytes of unionpay-pos. The codec checks every character and nibble;
pyiso8583 does not, so it is compared with what it does by itself. Rounds alternate and the best
of each counts, so that a busy machine slows both alike.
"""

import operator
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from switch.codec import Message, load_dialect
from switch.codec.compiled_decoder import compile_decoder
from switch.codec.compiled_encoder import compile_encoder
from switch.codec.element import encode_element
from switch.codec.field_spec import CHARSETS, FieldSpec
from switch.codec.table_driven import TableDriven

SALE: Final = Message(
    "0200",
    {
        "pan": "6200000000000005",
        "processing_code": "000000",
        "amount_transaction": "000000001234",
        "stan": "000123",
        "expiration_date": "3012",
        "pos_entry_mode": "021",
        "card_sequence_number": "001",
        "pos_condition_code": "00",
        "pin_capture_code": "12",
        "track2": "6200000000000005=30122010000000000",
        "terminal_id": "00000001",
        "merchant_id": "898110154110001",
        "currency": "156",
        "pin_block": bytes.fromhex("1774D84E2E217BD6"),
        "batch_data": "2200000100050",
        "mac": b"48E1FCAE",
    },
)
_WARM_UP_COUNT: Final = 100


def run(round_count: int = 9, iteration_count: int = 2000) -> dict[str, Any]:
    """
    Measure; times are microseconds a message, `ratio` is pyiso8583's decode + encode over ours.

    Raises:
        ImportError: pyiso8583 is missing; it comes with the dev extra.
    """
    import iso8583  # noqa: PLC0415 - a development tool

    dialect = load_dialect("unionpay-pos")
    wire = dialect.encode(SALE)
    spec = pyiso8583_spec(dialect.table.specs)
    document, _ = iso8583.decode(wire, spec)
    table_driven = TableDriven(dialect.table)
    read_ours = operator.itemgetter(*SALE.fields)
    read_theirs = operator.itemgetter(*(str(dialect.specs[name].de) for name in SALE.fields))

    for _ in range(_WARM_UP_COUNT):
        assert dialect.encode(dialect.decode(wire)) == wire
    assert iso8583.encode(document, spec)[0] == wire
    best = _measure(
        {
            "decode_us": lambda: read_ours(dialect.decode(wire).fields),
            "encode_us": lambda: dialect.encode(SALE),
            "pyiso8583_decode_us": lambda: read_theirs(iso8583.decode(wire, spec)[0]),
            "pyiso8583_encode_us": lambda: iso8583.encode(document, spec),
            "table_driven_decode_us": lambda: table_driven.decode(wire),
            "table_driven_encode_us": lambda: table_driven.encode(SALE),
        },
        round_count,
        iteration_count,
    )
    specs = tuple(dialect.specs[name] for name in SALE.fields)
    start = len(wire) - sum(len(encode_element(s, SALE.fields[s.name], 0)) for s in specs)
    best |= _measure(
        {
            "compile_decoder_us": lambda: compile_decoder(dialect.table, specs, start),
            "compile_encoder_us": lambda: compile_encoder(dialect.table, specs, SALE.fields),
        },
        round_count,
        iteration_count=10,
    )
    theirs = best["pyiso8583_decode_us"] + best["pyiso8583_encode_us"]
    return {
        "benchmark": "codec",
        "element_count": len(SALE.fields),
        "message_bytes": len(wire),
        **{name: round(us, 2) for name, us in best.items()},
        "ratio": round(theirs / (best["decode_us"] + best["encode_us"]), 1),
        "ratio_wanted": 8.0,
    }


def pyiso8583_spec(specs: Iterable[FieldSpec]) -> dict[str, dict[str, Any]]:
    """Describe rows of a binary dialect, or of an ASCII one, in pyiso8583's terms."""
    rows = tuple(specs)
    is_ascii = all(row.wire in {"ascii", "hex"} for row in rows)
    head = {"data_enc": "ascii" if is_ascii else "b", "len_enc": "ascii", "len_type": 0}
    unit = 2 if is_ascii else 1
    spec: dict[str, dict[str, Any]] = {
        "h": {**head, "max_len": 0},
        "t": {**head, "max_len": 2 * unit},
        "p": {**head, "max_len": 8 * unit},
        "1": {**head, "max_len": 8 * unit},
    }
    for row in rows:
        spec[str(row.de)] = _pyiso8583_row(row)
    return spec


def _pyiso8583_row(row: FieldSpec) -> dict[str, Any]:
    is_half_bytes = row.wire == "bcd" and row.is_variable
    pads = {"left_pad": "", "right_pad": ""}
    if row.wire == "bcd":
        pads[f"{row.pad_side}_pad"] = row.pad_nibbles[0]
    return {
        "data_enc": "b" if row.wire in {"bcd", "binary"} else CHARSETS["ascii"],
        "len_enc": "bcd" if row.prefix == "bcd" else "ascii",
        "len_type": row.prefix_size if row.is_variable else 0,
        "max_len": row.length if is_half_bytes else row.count_bytes(row.length),
        "len_count": "nibbles" if is_half_bytes else "bytes",
        **pads,
    }


def _measure(
    functions: dict[str, Callable[[], object]], round_count: int, iteration_count: int
) -> dict[str, float]:
    """Time each function in turn, round after round; the best round's microseconds a call."""
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(round_count):
        for name, function in functions.items():
            start = time.perf_counter()
            for _ in range(iteration_count):
                function()
            spent = (time.perf_counter() - start) / iteration_count * 1e6
            best[name] = min(best[name], spent)
    return best
