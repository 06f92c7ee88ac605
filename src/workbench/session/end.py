"""The ways a session ends other than by finishing."""

# kind of ModelError -> subtype of the result
MODEL_ERRORS = {
    "authentication": "error_authentication",
    "unknown_model": "error_usage",
    "unavailable": "error_retryable",
}


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
