"""What secrets look like: the forms of keys and tokens as their makers give them, and lines that name a secret.

Each form has literals without which it cannot occur, so that a text without any of them costs next to nothing. Sources
are the makers' own pages on their tokens (GitHub, GitLab, Slack, Stripe, AWS, Google, Azure, Hugging Face, npm, PyPI …)
and RFC 7519 and RFC 7468 for web tokens and key blocks.
"""

import re
from functools import cache
from typing import NamedTuple


class Form(NamedTuple):
    """A kind of secret. `literals`: in lower case, one of which every text that holds it has.

    Of `expression`, the group `secret` is replaced, where it has one. `also`: expressions of text in lower case that
    are quick to look for, one of which is found wherever a common literal is not there by chance.
    """

    name: str
    literals: tuple[bytes, ...]
    expression: str
    also: tuple[bytes, ...] = ()

    def compiled(self) -> re.Pattern[str]:
        """The expression, compiled once."""
        return _compiled(self.expression)

    def near(self, lowered: bytes) -> bool:
        """Whether LOWERED, which has one of the literals, may hold it."""
        return not self.also or any(_quick(expression).search(lowered) for expression in self.also)


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)


@cache
def _quick(expression: bytes) -> re.Pattern[bytes]:
    return re.compile(expression)


# Not in the middle of a word; escapes of JSON (`\n`) and of terminals (`\x1b[31m`) before it are not part of one.
_APART = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrtbf])|(?<=\[\dm)|(?<=\[\d\dm))"
_ALSO_APART = r"(?![A-Za-z0-9])"

# Names that hold a secret, at the end of a key: `db_password`, `client-secret`, `HF_TOKEN`, `"apiKey"`.
_NAMES = (
    r"(?:pass(?:word|wd|phrase)|secret(?:[_-]?(?:access)?[_-]?key)?|api[_-]?key|access[_-]?key|account[_-]?key"
    r"|private[_-]?key|signing[_-]?key|encryption[_-]?key|client[_-]?secret"
    r"|(?:auth|access|api|refresh|bearer|bot|hf|github|gitlab|gh|slack|session|secret|user|app|deploy|registry)"
    r"[_-]?token)"
)
# No placeholder, no name in a program; a letter or sign of another kind than the rest is in it.
_PLACEHOLDER = (
    r"(?!(?i:your|my|the|example|sample|test|dummy|fake|some|insert|enter|change|replace|xxx+|none|null|true|false"
    r"|required|optional|string|redacted|get)(?:[^A-Za-z]|$))(?!\*\*\*|\.\.\.)"
)
_NO_NAME = r"(?![A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+(?:\s|$|\\[nr]))"
_MIXED = r"(?=[^\s\"'\\]{0,200}?[0-9!@#%^&*+=?~])"
_QUOTED = rf"(?P<quote>\\?[\"']){_PLACEHOLDER}{_MIXED}(?P<secret>[^\s\"'\\<>{{}}$]{{8,200}})(?P=quote)"

# The end of a line, escaped or not, and the number of the next one where lines are numbered.
_LINE_END = r"(?>(?:\\r|\r)?(?:\\n|\n)[ \t]*+(?:\d{1,9}[→:\t-][ \t]*+)?)"

_ASSIGNED = tuple(
    name + rb"[\\\"']{0,3}\s{0,4}[:=]" for name in (b"password", b"passwd", b"passphrase", b"secret", b"key", b"token")
)

FORMS: tuple[Form, ...] = (
    Form("anthropic key", (b"sk-",), r"sk-ant-[A-Za-z0-9_-]{16,}"),
    Form("openai key", (b"sk-",), r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}"),
    Form("openai key", (b"sk-",), rf"{_APART}sk-[A-Za-z0-9]{{32,}}{_ALSO_APART}", (rb"sk-[a-z0-9]{32}",)),
    Form("openrouter key", (b"sk-",), r"sk-or-v1-[a-f0-9]{40,}"),
    Form("aws access key", (b"akia", b"asia"), r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"),
    Form(
        "aws secret key",
        (b"secret",),
        r"(?i:aws_secret_access_key|SecretAccessKey)\\?[\"']?\s*[:=]\s*\\?[\"']?(?P<secret>[A-Za-z0-9/+]{40})",
        (rb"secret_?access_?key",),
    ),
    Form("google key", (b"aiza",), r"AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),
    Form("google token", (b"ya29.",), r"ya29\.[0-9A-Za-z_-]{20,}"),
    Form("google secret", (b"gocspx-",), r"GOCSPX-[0-9A-Za-z_-]{28}"),
    Form(
        "azure key",
        (b"key",),
        r"(?i:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/]{40,}={0,2})",
        (rb"key=[a-z0-9+/]{40}",),
    ),
    Form("azure signature", (b"sig=",), r"[?&;]sig=(?P<secret>[A-Za-z0-9%+/]{40,}={0,2})"),
    Form("github token", (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"), r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    Form("github token", (b"_pat_",), r"github_pat_[A-Za-z0-9_]{22,255}"),
    Form(
        "gitlab token",
        (b"gl",),
        r"gl(?:pat|oas|dt|rt|cbt|ptt|ft|soat|agent|imt)-[A-Za-z0-9_-]{20,}",
        (rb"gl[a-z]{2,5}-[a-z0-9_-]{20}",),
    ),
    Form("hugging face token", (b"hf_", b"api_org_"), rf"{_APART}(?:hf_|api_org_)[A-Za-z0-9]{{30,}}"),
    Form("wandb key", (b"wandb",), r"wandb_v1_[A-Za-z0-9_]{40,}"),
    Form("wandb key", (b"wandb",), r"(?i:wandb[ _](?:login|api[ _]?key))[^\n]{0,30}?\b(?P<secret>[0-9a-f]{40})\b"),
    Form("nvidia key", (b"nvapi-",), r"nvapi-[A-Za-z0-9_-]{40,}"),
    Form("slack token", (b"xox", b"xapp-"), r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,}"),
    Form(
        "slack webhook",
        (b"hooks.slack.com",),
        r"hooks\.slack\.com/(?:services|workflows)/(?P<secret>[A-Za-z0-9/_-]{20,})",
    ),
    Form("stripe key", (b"_live_", b"_test_"), rf"{_APART}[rs]k_(?:live|test)_[A-Za-z0-9]{{16,}}"),
    Form("webhook secret", (b"whsec_",), r"whsec_[A-Za-z0-9+/]{24,}"),
    Form("npm token", (b"npm_",), rf"{_APART}npm_[A-Za-z0-9]{{36}}"),
    Form("pypi token", (b"pypi-ageichlwa",), r"pypi-AgEIcHlwa[A-Za-z0-9_-]{50,}"),
    Form(
        "sendgrid key",
        (b"sg.",),
        rf"{_APART}SG\.[A-Za-z0-9_-]{{16,32}}\.[A-Za-z0-9_-]{{16,64}}",
        (rb"sg\.[a-z0-9_-]{16}",),
    ),
    Form("docker token", (b"_pat_",), r"dckr_pat_[A-Za-z0-9_-]{20,}"),
    Form("databricks token", (b"dapi",), rf"{_APART}dapi[0-9a-f]{{32}}"),
    Form("replicate token", (b"r8_",), rf"{_APART}r8_[A-Za-z0-9]{{37,}}"),
    Form("groq key", (b"gsk_",), rf"{_APART}gsk_[A-Za-z0-9]{{40,}}"),
    Form("web token", (b"eyj",), r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)?"),
    Form(
        "private key",
        (b"private key",),
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[\s\S]*?-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|[\s\S]*)",
    ),
    Form(  # the end of one, in a text that begins behind its beginning
        "private key",
        (b"private key",),
        rf"(?<![A-Za-z0-9+/=])(?>(?:[A-Za-z0-9+/]{{16,}}+={{0,2}}{_LINE_END}){{1,120}})"
        rf"(?>(?:=?[A-Za-z0-9+/]{{2,}}+={{0,2}}{_LINE_END}){{0,2}})"
        r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----",
        (rb"-----end [a-z0-9 ]{0,30}private key",),
    ),
    Form(
        "password",
        (b"://",),
        r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@\"'<>\\]{0,80}:(?P<secret>(?![$<{*%])[^\s/@\"'<>\\]{3,200})@",
        (rb"://[^\s/:@\"'<>]{0,80}:[^\s/@\"'<>]{3,200}@",),
    ),
    Form(
        "credentials",
        (b"authorization",),
        r"(?i:authorization)\\?[\"']?\s*[:=]\s*\\?[\"']?(?:(?i:Bearer|Basic|Token)\s+)(?P<secret>[A-Za-z0-9._~+/=-]{12,})",
    ),
    Form(
        "secret",
        (b"pass", b"secret", b"key", b"token"),
        rf"(?i:{_NAMES})\\?[\"']?\s{{0,4}}(?::=|=>|[:=])\s{{0,4}}{_QUOTED}",
        _ASSIGNED,
    ),
    Form(
        "secret",
        (b"pass", b"secret", b"key", b"token"),
        rf"(?i:{_NAMES})\s{{0,4}}[:=]\s{{0,4}}{_PLACEHOLDER}{_NO_NAME}{_MIXED}"
        r"(?P<secret>(?![$<{*%(\[])[^\s\"'`\\<>{}()\[\],;$|]{8,200})(?=\s|$|\\[nr])",
        _ASSIGNED,
    ),
)

# Looked for one by one, or only where a long word follows an underscore, which is seen at once.
_WORDS = re.compile(rb"_[A-Za-z0-9+/]{16}")
_LITERALS = {literal: literal.endswith(b"_") and literal != b"_pat_" for form in FORMS for literal in form.literals}
_ALWAYS = tuple(literal for literal, before_word in _LITERALS.items() if not before_word)
_BEFORE_WORDS = tuple(literal for literal, before_word in _LITERALS.items() if before_word)


def near(data: bytes, lowered: bytes) -> list[Form]:
    """The forms that DATA may hold. This is on the way of every event, so it is kept quick."""
    seen = [literal for literal in _ALWAYS if literal in lowered]
    if _WORDS.search(data):
        seen += [literal for literal in _BEFORE_WORDS if literal in lowered]
    if not seen:
        return []
    found = frozenset(seen)
    return [form for form in FORMS if not found.isdisjoint(form.literals) and form.near(lowered)]
