"""Numbers in sentences."""

from workbench.protocol.words import counted


def test_one_is_one_and_thousands_are_parted():
    assert [counted(n, "line") for n in (0, 1, 2, 1204)] == ["0 lines", "1 line", "2 lines", "1,204 lines"]
    assert counted(2, "entry", "entries") == "2 entries" and counted(1, "entry", "entries") == "1 entry"
