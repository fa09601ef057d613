from loadtest.bench_projection import run


def test_the_benchmark_runs_and_its_rebuilds_are_equal():
    result = run(record_count=400)
    assert result["records"] == 400
    assert result["events"] > 400
    assert result["live"]["audit_events_per_s"] > 0
    for name in ("settlement", "audit"):
        assert result[f"rebuild_{name}"]["equal"]
        assert result[f"rebuild_{name}"]["events_per_s"] > 0
