from loadtest.bench_codec import SALE, pyiso8583_spec, run
from switch.codec import load_dialect


def test_the_benchmark_measures_both_and_gives_their_ratio():
    result = run(round_count=2, iteration_count=20)
    assert result["element_count"] == len(SALE.fields) == 16
    theirs = result["pyiso8583_decode_us"] + result["pyiso8583_encode_us"]
    ours = result["decode_us"] + result["encode_us"]
    assert abs(result["ratio"] - theirs / ours) < 0.1 * result["ratio"]


def test_every_row_has_its_counterpart():
    for name in ("iso1987-ascii", "unionpay-pos"):
        table = load_dialect(name).table
        assert {str(spec.de) for spec in table.specs} < pyiso8583_spec(table.specs).keys()
