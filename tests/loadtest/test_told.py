from loadtest.told import Told, read_told, write_told


def test_what_was_told_survives_its_file(tmp_path):
    line = Told(
        kind="sale",
        acquirer="demo",
        merchant_id="898110154110001",
        terminal_id="00000001",
        batch="000001",
        stan="000123",
        amount_minor=100,
        at=5,
        response_code="00",
        rrn="000000000001",
        mac_valid=True,
    )
    path = tmp_path / "told.jsonl"
    write_told(path, [line, line])
    assert list(read_told(path)) == [line, line]
    assert line.payment_key == "demo|898110154110001|00000001|000001|000123|payment"
