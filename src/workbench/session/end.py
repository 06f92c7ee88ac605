"""The ways a session ends other than by finishing."""

from collections.abc import Sequence

# kind of ModelError -> subtype of the result
MODEL_ERRORS = {
    "authentication": "error_authentication",
    "unknown_model": "error_usage",
    "unavailable": "error_retryable",
}

LEFT = "stopped by signal"  # what a result says of a session that a person left, or that was told to stop


def was_left(subtype: str | None, errors: Sequence[str]) -> bool:
    """Whether a session that ended with SUBTYPE and ERRORS was left or told to stop: nothing went wrong with it."""
    return subtype == "error_retryable" and list(errors) == [LEFT]


class EndSession(Exception):  # noqa: N818 - it is not always an error
    """The session ends here, with this subtype of the result and these words."""

    def __init__(self, subtype: str, message: str = "") -> None:
        super().__init__(message)
        self.subtype = subtype


class StartError(Exception):
    """A session could not be started or resumed; nothing was left behind."""

    def __init__(self, subtype: str, message: str) -> None:
        super().__init__(message)
        self.subtype = subtype
        self.message = message
