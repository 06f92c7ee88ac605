"""What a failed request means: whether trying again may help, and the words for the person who meets it."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from workbench.models.base import ModelError
from workbench.protocol.result import Usage

_TOO_LONG = re.compile(
    r"prompt is too long|context (length|window|size)|maximum context|input is too long|too many (input )?tokens"
    r"|exceed_context_size|exceeds? the (model|available)",
    re.IGNORECASE,
)
# the service's words for an error that may pass, as they stand in an error event
_PASSING = {"overloaded_error", "api_error", "rate_limit_error", "timeout_error", "internal_server_error", ""}
_KINDS = {"authentication_error": 401, "permission_error": 403, "not_found_error": 404, "request_too_large": 413}
_FIRST_S, _LONGEST_S = 0.5, 8.0


class AttemptError(Exception):
    """An attempt that failed and may be repeated. `after_s` is how long the service asks to wait."""

    def __init__(self, reason: str, after_s: float | None = None, usage: Usage | None = None) -> None:
        super().__init__(reason)
        self.reason, self.after_s, self.usage = reason, after_s, usage


class Patience:
    """How long a failing service is tried: so many requests, and so many seconds of failing."""

    def __init__(self, requests: int, seconds: float, clock: Callable[[], float], random: Callable[[], float]) -> None:
        self.requests, self.seconds = requests, seconds
        self.attempt = 1
        self._clock, self._random = clock, random
        self._since = clock()
        self._answered = False

    def delay(self, failure: AttemptError, answered: bool) -> float:
        """Seconds to wait before the next attempt. Raises ModelError when there is to be none.

        The seconds count from the start, or from the first failure if that attempt had been ANSWERED: a stream that
        breaks after minutes of good work is worth another try.
        """
        now = self._clock()
        if answered and not self._answered:
            self._since, self._answered = now, True
        spent = now - self._since
        if self.attempt >= self.requests:
            raise ModelError("unavailable", f"{failure.reason}; gave up after {_requests(self.attempt)}")
        backoff = min(_FIRST_S * 2 ** (self.attempt - 1), _LONGEST_S) * (1 - 0.25 * self._random())
        delay = backoff if failure.after_s is None else failure.after_s
        if spent + delay > self.seconds:
            asked = f"; it asks to wait {delay:.0f} s" if failure.after_s is not None else ""
            limit = f"more than the {self.seconds:g} s that are spent on a failing service"
            raise ModelError(
                "unavailable", f"{failure.reason}{asked}; gave up after {_requests(self.attempt)}: {limit}"
            )
        self.attempt += 1
        return delay


def _requests(count: int) -> str:
    return "one request" if count == 1 else f"{count} requests"


def retry_after(headers: Any) -> float | None:
    """Seconds that the service asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110)."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        try:
            return max(0.0, float(value) * unit)
        except (TypeError, ValueError):
            pass
    return _until(headers.get("retry-after"))


def _until(date: str | None) -> float | None:
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, (parsedate_to_datetime(date or "") - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def from_status(status: int, body: object, headers: Any, host: str, model: str) -> AttemptError | ModelError:
    """What an error answer means. BODY is what the service sent, decoded if it was JSON."""
    kind, words = _said(body)
    if status in (408, 409, 429) or status >= 500:
        return AttemptError(
            f"{host} answers {status}: {words}" if words else f"{host} answers {status}", retry_after(headers)
        )
    return _final(status, kind, words, host, model)


def from_event(kind: str, words: str, host: str, model: str) -> AttemptError | ModelError:
    """What an error event in mid-stream means."""
    if kind in _PASSING:
        label = f" ({kind})" if kind else ""
        return AttemptError(f"{host} broke the answer off: {words}{label}")
    return _final(_KINDS.get(kind, 400), kind, words, host, model)


def _final(status: int, kind: str, words: str, host: str, model: str) -> ModelError:
    says = f"{host} answers {status}: {words or 'without a word why'}"
    if status in (401, 403):
        return ModelError("authentication", f"{says}. Check ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN)")
    if status == 404:
        address = "" if "model" in words.lower() else ". Check ANTHROPIC_BASE_URL: `/v1/messages` is added to it"
        if kind:
            return ModelError("unknown_model", f"{host} does not know the model {model}: {words}{address}")
        return ModelError("invalid_request", f"{says}{address}")
    if status == 413 or (status == 400 and _TOO_LONG.search(f"{kind} {words}")):
        return ModelError("too_long", says)
    return ModelError("refused" if status == 402 else "invalid_request", says)


class _Error(msgspec.Struct):
    type: str | int = ""
    message: str = ""


def _said(body: object) -> tuple[str, str]:
    """The service's kind and words, also where it is no API error; words are cut to a line's length."""
    error = body.get("error", body) if isinstance(body, dict) else body
    try:
        said = msgspec.convert(error, _Error, strict=False)
        return str(said.type), _line(said.message)
    except msgspec.ValidationError:
        return "", _line(error if isinstance(error, str) else "")


def _line(words: str) -> str:
    text = " ".join(re.sub(r"<[^>]*>", " ", words).split())
    return text if len(text) <= 300 else text[:299] + "…"
