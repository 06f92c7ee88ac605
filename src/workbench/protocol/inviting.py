"""An invitation in words: until when it holds, as people write that, and what is handed to each who was invited."""

import re
import time
from datetime import datetime, timedelta

from workbench.protocol.commands import Invited

_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(?:\d{1,6}[smhd])+")


def until(text: str, now: float) -> float:
    """The moment that TEXT means at NOW, in Unix seconds: `18:00` (the next one), `1h30m`, `2026-11-22T18:00`.

    Raises ValueError, whose words say what it takes.
    """
    if _DURATION.fullmatch(text):
        return now + sum(int(part[:-1]) * _UNIT[part[-1]] for part in re.findall(r"\d+[smhd]", text))
    try:
        if re.fullmatch(r"\d{1,2}:\d\d", text):
            hour, minute = map(int, text.split(":"))
            at = datetime.fromtimestamp(now).replace(hour=hour, minute=minute, second=0, microsecond=0)
            # A day by the clock on the wall: one in spring has 23 hours.
            return (at if at.timestamp() > now else at + timedelta(days=1)).timestamp()
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time of day (18:00) and no duration (2h)") from None


def handed(invited: Invited, role: str) -> list[str]:
    """For each of the INVITED the command to join by, and the token that it asks for."""
    end = time.strftime("%H:%M", time.localtime(invited.until))
    return [
        f"for {one.who}, {role} until {end}:\n  mlwb attach {invited.socket}\n  token: {one.token}"
        for one in invited.invitations
    ]
