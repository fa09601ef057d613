from switch.cli.screen import (
    make_console,
    make_table,
    write_amount,
    write_gap,
    write_moment,
    write_time,
)


def test_amounts_times_and_gaps_are_written_for_people():
    assert write_amount(1234, "156") == "12.34"
    assert write_amount(None, "156") == "CNY"
    assert write_amount(7, "999") == "7"
    assert write_time(1_790_000_000_069) == "14:13:20.069"
    assert write_moment(1_790_000_000_069) == "2026-09-21 14:13:20Z"
    assert write_moment(0) == ""
    assert write_gap(0) == "+0 ms"
    assert write_gap(59_999) == "+59999 ms"
    assert write_gap(90_000) == "+1.5 min"


def test_a_pipe_gets_wide_plain_tables(capsys):
    make_console().print("x" * 150)
    assert capsys.readouterr().out == "x" * 150 + "\n"


def test_a_table_has_two_blanks_between_columns_and_no_frame(capsys):
    table = make_table("Title")
    table.add_column("a", no_wrap=True)
    table.add_column("b")
    table.add_row("1", "2")
    make_console().print(table)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [lines[0], lines[1], lines[-1]] == ["Title", "a  b", "1  2"]
