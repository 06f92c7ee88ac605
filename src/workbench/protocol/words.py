"""Numbers in sentences."""


def counted(number: int, one: str, many: str = "") -> str:
    """NUMBER with its noun: `1 line`, `2 lines`, `1,204 lines`. MANY: the plural that is not ONE and an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
