from io import StringIO

from rich.console import Console
from rich.text import Text

from switch.cli.screen import (
    make_console,
    make_table,
    print_table,
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


def test_what_people_wrote_is_printed_as_it_is_brackets_and_all(capsys):
    table = make_table()
    table.add_column("note")
    table.add_row("slip [a.pdf] says [/b] paid")
    make_console().print(table)
    console = Console(file=StringIO(), width=12, markup=False)
    print_table(console, table)
    assert "slip [a.pdf] says [/b] paid" in capsys.readouterr().out
    folded = "".join(console.file.getvalue().split())
    assert folded.endswith("slip[a.pdf]says[/b]paid")


def test_a_table_has_two_blanks_between_columns_and_no_frame(capsys):
    table = make_table("Title")
    table.add_column("a", no_wrap=True)
    table.add_column("b")
    table.add_row("1", "2")
    make_console().print(table)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [lines[0], lines[1], lines[-1]] == ["Title", "a  b", "1  2"]


def print_totals(width):
    table = make_table("Totals")
    for heading in ("merchant", "batch", "gross", "net"):
        table.add_column(heading, justify="right" if heading in {"gross", "net"} else "left")
    table.add_row("898110154110001", "000001", "1234567.89", "1234566.78")
    table.add_row("898110154110002", "", "", "", style="bold")
    table.add_row(Text("898110154110003", "red"), "000003", "1.00", "0.99")
    written = StringIO()
    print_table(Console(file=written, width=width, highlight=False), table)
    return written.getvalue().splitlines()


def test_a_table_that_fits_is_printed_as_a_table():
    lines = [line.strip() for line in print_totals(80) if line.strip()]
    assert lines[1] == "merchant         batch        gross         net"
    assert lines[3] == "898110154110001  000001  1234567.89  1234566.78"


def test_a_narrow_console_gets_each_row_over_several_lines_with_nothing_cut_off():
    assert print_totals(30) == [
        "Totals",
        "merchant         batch",
        "       gross         net",
        "─" * 30,
        "898110154110001  000001",
        "  1234567.89  1234566.78",
        "898110154110002",
        "898110154110003  000003",
        "        1.00        0.99",
        "",
    ]


def test_a_cell_wider_than_the_console_goes_on_in_the_next_line():
    assert "".join(print_totals(12)).replace(" ", "").count("898110154110001") == 1


def test_no_line_of_a_note_is_lost_where_a_row_takes_several_lines():
    table = make_table()
    for heading in ("step", "why"):
        table.add_column(heading)
    table.add_row("note by anna", "the slip says:\npaid twice")
    written = StringIO()
    print_table(Console(file=written, width=27, highlight=False), table)
    shown = [line.strip() for line in written.getvalue().splitlines()[-3:]]
    assert shown == ["note by anna", "the slip says: paid twice", ""]
