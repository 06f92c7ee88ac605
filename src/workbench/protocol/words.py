"""Numbers in sentences, and what else is said in more than one place."""


def counted(number: int, one: str, many: str = "") -> str:
    """NUMBER with its noun: `1 line`, `2 lines`, `1,204 lines`. MANY: the plural that is not ONE and an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def ended(subtype: str) -> str:
    """What a result's SUBTYPE says, in words: `max budget`, `checks failed`; `an error` where it names none."""
    return "an error" if subtype == "error_during_execution" else subtype.removeprefix("error_").replace("_", " ")
