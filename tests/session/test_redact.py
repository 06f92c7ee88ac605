"""Secrets: what is taken for one, what is not, and that none is journalled, sent or told in pieces."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.endpoint import Endpoint, say, turn, use
from support.live import run, texts, workspace
from support.tool_calls import Session
from workbench.protocol import events as e
from workbench.session.redact import Redactor
from workbench.session.redact_stream import Deltas, Stream
from workbench.tools.output import Follower, shorten

__all__ = ["workspace"]

# Put together here, so that this file itself holds none.
A1 = "a1B2" * 20
KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow\nabcd\n-----END RSA " + "PRIVATE KEY-----"
SECRETS = {
    "anthropic key": f"sk-ant-api03-{A1[:40]}",
    "openai key": f"sk-proj-{A1[:40]}",
    "aws access key": "AKIA" + "IOSFODNN7EXAMPLE",
    "google key": f"AIza{A1[:35]}",
    "github token": f"ghp_{A1[:36]}",
    "gitlab token": f"glpat-{A1[:20]}",
    "hugging face token": f"hf_{A1[:34]}",
    "wandb key": f"wandb_v1_{A1[:50]}",
    "nvidia key": f"nvapi-{A1[:60]}",
    "slack token": f"xoxb-123456789012-{A1[:24]}",
    "stripe key": f"sk_live_{A1[:24]}",
    "npm token": f"npm_{A1[:36]}",
    "web token": f"eyJ{A1[:20]}.eyJ{A1[:20]}.{A1[:30]}",
    "private key": KEY,
}
LINES = {
    "DB_PASSWORD=hunter2hunter2": "hunter2hunter2",
    'password = "hunter2hunter2"': "hunter2hunter2",
    "api_key: abcd1234efgh5678": "abcd1234efgh5678",
    '{"clientSecret": "abcd-1234-efgh"}': "abcd-1234-efgh",
    "export HF_TOKEN='abcd1234efgh5678'": "abcd1234efgh5678",
    "postgres://me:pa55word@host/db": "pa55word",
    "Authorization: Bearer abcdefgh12345678": "abcdefgh12345678",
    "wandb login 0123456789abcdef0123456789abcdef01234567": "0123456789abcdef0123456789abcdef01234567",
    "AccountKey=" + "a1B2" * 21 + "==": "a1B2" * 21,
    "aws_secret_access_key = " + A1[:40]: A1[:40],
}
HARMLESS = [
    'password = os.environ["DB_PASSWORD"]',
    "token = tokenizer.encode(text2)",
    "api_key = get_key(3)",
    "def login(password: str, token: str | None = None) -> None:",
    'pad_token = "<|endoftext|>"',
    '{"max_tokens": 4096, "input_tokens": 12345678901}',
    '{"type": "password", "label": "Password"}',
    "password=${DB_PASSWORD_1}",
    "password: your-password-1",
    "secret_key = settings.SECRET_KEY_2",
    "https://example.org:8080/a@b",
    "git clone git@github.com:a/b.git",
    "commit 0123456789abcdef0123456789abcdef01234567",
    "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "risk-assessment task-" + "a" * 40,
    "key = jax.random.PRNGKey(0); keys = jax.random.split(key, 4)",
    "tokenizer: meta-llama/Llama-3-8B",
    "the word -----BEGIN CERTIFICATE----- MIIB -----END CERTIFICATE-----",
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_known_by_its_form_wherever_it_stands(name):
    secret, redactor = SECRETS[name], Redactor()
    for text in (secret, f"a {secret} b", f"x={secret}", f'"{secret}"', f"\x1b[31m{secret}\x1b[0m"):
        assert redactor.text(text).count(f"[redacted: {name}]") == 1, text
        assert secret not in redactor.text(text)
    value = {"content": [{"type": "text", "text": f"line\n{secret}\n"}], "n": 1}
    assert redactor.value(value) == {"content": [{"type": "text", "text": f"line\n[redacted: {name}]\n"}], "n": 1}
    assert (
        redactor.data(json.dumps(value).encode()) == json.dumps(redactor.value(value)).encode() or name == "private key"
    )


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_says_that_it_holds_a_secret_loses_the_secret_alone(line):
    shown = Redactor().text(f"first\n{line}\nlast")
    assert LINES[line] not in shown and "[redacted: " in shown
    assert shown.startswith("first\n" + line[:6]) and shown.endswith("\nlast")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_one_stays(text):
    redactor = Redactor()
    assert redactor.text(text) == text
    assert redactor.text(json.dumps(text)) == json.dumps(text)


def test_a_mark_is_not_redacted_again():
    redactor = Redactor({"MY_TOKEN": "abcd1234efgh"})
    for text in (*SECRETS.values(), *LINES, "abcd1234efgh"):
        once = redactor.text(text)
        assert redactor.text(once) == once


def test_the_end_of_a_private_key_is_known_where_its_beginning_was_cut_off():
    lines = [f"{A1[n:]}{A1}"[:64] for n in range(20)]
    end = "-----END " + "PRIVATE KEY-----"
    text = "\n".join(["some words", *lines, "a1B2c3==", end, "more"])
    numbered = "\n".join(f"{n:>6}→{line}" for n, line in enumerate(text.split("\n")))
    for form in (text, text.replace("\n", "\r\n"), json.dumps(text), numbered):
        shown = Redactor().text(form)
        assert "some words" in shown and "more" in shown and shown.count("[redacted: private key]") == 1, form
        assert not any(line in shown for line in (*lines, "a1B2c3==", end)), form
    public = text.replace("PRIVATE", "PUBLIC")
    assert Redactor().text(public) == public


def test_what_is_left_of_a_long_line_ends_and_begins_with_whole_words():
    listed = json.dumps([f"ghp_{A1[:30]}{n:06}" for n in range(2000)])
    for limit in range(4_000, 4_050):
        shown = Redactor().text(shorten(listed, limit))
        assert "left out" in shown and "a1B2" not in shown and "ghp_" not in shown, limit


def test_a_fixed_cut_leaves_no_half_of_a_secret(tmp_path):
    """Wherever a tool cuts a line, what is kept ends before the word that the cut goes through."""
    session, redactor = Session(tmp_path), Redactor()
    token = f"ghp_{A1}{A1}"[:40]
    for cut in (500, 2000):
        for into in (5, 20, 35):
            (tmp_path / "line").write_text("needle " + "." * (cut - 7 - into - 1) + " " + token + " x" * 3000 + "\n")
            shown = [
                session.text("Read", file_path="line"),
                session.text("Grep", pattern="needle", output_mode="content"),
            ]
            assert all("ghp" not in redactor.text(text) and "needle" in text for text in shown), (cut, into)


def test_what_a_command_prints_too_fast_begins_with_no_half_of_a_secret(tmp_path):
    token = f"ghp_{A1}{A1}"[:40]
    path = tmp_path / "out"
    path.touch()
    follower = Follower(path)
    try:
        for size in range(16_001, 16_040):
            with path.open("a") as file:
                file.write("." * 70_000 + f" {token}" + f" {'x ' * 8_000}"[: size - 41])
            shown = Redactor().text(follower.gained())
            assert shown and "a1B2" not in shown and token[-8:] not in shown, size
    finally:
        follower.close()


# --- values of the environment -----------------------------------------------------------------------------------

VALUE = 'p4ss/w"rd+ of ours'


def test_the_value_of_a_secret_variable_is_known_in_every_dress():
    redactor = Redactor({"OUR_SECRET": VALUE})
    inner = base64.b64encode(b"user:" + VALUE.encode()).decode()
    for form in (VALUE, quote(VALUE, safe=""), VALUE.encode().hex(), json.dumps(VALUE)[1:-1]):
        assert redactor.text(f"<{form}>") == "<[redacted: value of OUR_SECRET]>"
    for shift in range(3):
        text = base64.b64encode(b"x" * shift + VALUE.encode() + b"tail").decode()
        assert "[redacted: value of OUR_SECRET]" in redactor.text(text)
    assert "[redacted: value of OUR_SECRET]" in redactor.text(inner)
    assert redactor.value({"a": [VALUE]}) == {"a": ["[redacted: value of OUR_SECRET]"]}


def test_words_numbers_and_paths_are_not_taken_for_secrets():
    env = {
        "DB_PASSWORD": "postgres", "MAX_TOKENS": "40960000", "SSH_AUTH_SOCK": "/tmp/ssh-x/agent.1", "SHORT_KEY": "a1b2",
        "ANTHROPIC_MODEL": "claude-sonnet-5-5", "KEY_FILE": "~/.config/key.json", "AWS_PROFILE": "team-ml-1",
        "TOKEN_URL": "https://example.org/token", "HOME": "/home/ana-1234",
    }  # fmt: skip
    text = " ".join(env.values())
    assert Redactor(env).text(text) == text


def test_of_a_url_in_the_environment_the_password_is_the_secret():
    redactor = Redactor({"DATABASE_URL": "postgres://me:s3cr3t-pw@host/db"})
    assert (
        redactor.text("psql: s3cr3t-pw refused for me@host")
        == "psql: [redacted: value of DATABASE_URL] refused for me@host"
    )


# --- in pieces ---------------------------------------------------------------------------------------------------

PARTS = st.lists(
    st.one_of(
        st.sampled_from([*SECRETS.values(), *LINES, *HARMLESS, "-----BEGIN ", "PRIVATE KEY", VALUE, VALUE[:7]]),
        st.text(alphabet="ab1 \n-_=:\"'\\", max_size=12),
    ),
    max_size=8,
).map(" ".join)


@given(PARTS, st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_pieces_show_what_the_whole_shows(text, sizes):
    redactor = Redactor({"OUR_SECRET": VALUE})
    stream, shown, at, turns = Stream(redactor), "", 0, 0
    while at < len(text):
        size = sizes[turns % len(sizes)]
        shown += stream.add(text[at : at + size])
        at, turns = at + size, turns + 1
        assert not any(secret in shown for secret in SECRETS.values()) and VALUE not in shown
    assert shown + stream.rest() == redactor.text(text)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_secret_without_end_is_left_out_without_being_kept(size):
    token = "eyJ" + "a1" * 20 + ".eyJ" + "b2" * 4000 + "." + "c3" * 9000
    key = KEY.replace("abcd\n", "0123456789abcdef\n" * 4000)
    for text, name in ((f"x {token} y", "web token"), (f"x {key} y", "private key")):
        stream = Stream(Redactor())
        shown = "".join(stream.add(text[at : at + size]) for at in range(0, len(text), size)) + stream.rest()
        assert shown == f"x [redacted: {name}] y"


def test_long_text_without_blanks_is_not_held_for_ever():
    stream = Stream(Redactor())
    assert sum(len(stream.add("ab" * 50)) for _ in range(200)) > 15_000


def test_texts_of_deltas_are_kept_apart_and_told_to_their_end():
    deltas = Deltas(Redactor())
    secret = SECRETS["github token"]
    events = [
        e.TextDelta(turn=1, index=0, text=f"Look: {secret[:9]}"),
        e.TextDelta(turn=1, index=0, text=secret[9:]),
        e.CallDelta(turn=1, index=1, call_id="c", name="Bash"),
        e.CallDelta(turn=1, index=1, call_id="c", name="Bash", text='{"command": "ls'),
    ]
    told = [one for event in events for one in deltas.take(event)] + list(deltas.flush())
    assert "".join(x.text for x in told if isinstance(x, e.TextDelta)) == "Look: [redacted: github token]"
    assert "".join(x.text for x in told if isinstance(x, e.CallDelta)) == '{"command": "ls'
    assert [type(x) for x in told] == sorted((type(x) for x in told), key=[e.TextDelta, e.CallDelta].index)


def test_what_a_command_prints_beside_an_answer_does_not_cut_a_secret_in_two():
    deltas, token = Deltas(Redactor()), SECRETS["github token"]
    events = [
        e.CallProgress(call_id="shell", text=f"one {token[:20]}"),
        e.TextDelta(turn=1, index=0, text=f"two {token[:9]}"),
        e.CallProgress(call_id="shell", text=f"{token[20:]}\n"),
        e.CallProgress(call_id="other", text="three"),
        e.TextDelta(turn=1, index=0, text=token[9:]),
    ]
    told = [one for event in events for one in deltas.take(event)] + list(deltas.flush("")) + list(deltas.flush())
    texts = {"two": "", "shell": "", "other": ""}
    for one in told:
        texts[one.call_id if isinstance(one, e.CallProgress) else "two"] += one.text
    mark = "[redacted: github token]"
    assert texts == {"two": f"two {mark}", "shell": f"one {mark}\n", "other": "three"}


# --- a session ---------------------------------------------------------------------------------------------------


def everywhere(workspace):
    """All that the session keeps, but what it keeps of files as they were, and the outputs of commands."""
    folder = next((workspace.parent / ".local/state/mlwb/sessions").iterdir())
    were = {path.read_bytes() for path in workspace.iterdir() if path.is_file()}
    kept = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "outputs"]
    return "".join(data.decode("utf-8", "replace") for path in kept if (data := path.read_bytes()) not in were)


def test_no_secret_reaches_journal_clients_or_model(workspace, monkeypatch):
    token, value = SECRETS["github token"], "our-own-s3cret-value"
    monkeypatch.setenv("OUR_API_KEY", value)
    (workspace / "config.ini").write_text(f"token = {token}\nother = {value}\n")
    (workspace / "long.txt").write_text(f"line {token}\n" * 2000)
    turns = [
        turn(
            use("Read", file_path="config.ini"),
            use("Read", file_path="long.txt"),
            use("Bash", command=f"cat config.ini; echo {token}"),
        ),
        say(f"The token is {token}."),
    ]
    with Endpoint(turns) as endpoint:
        ran = run(workspace, endpoint, f"Use {token}, please.", allow=("Bash(cat:*)", "Bash(echo:*)"))
        bodies = [json.dumps(request.body) for request in endpoint.requests]
    told = "".join(map(repr, ran.envelopes)) + "".join(bodies) + everywhere(workspace)
    assert token not in told and value not in told
    assert "[redacted: github token]" in bodies[0] and "[redacted: value of OUR_API_KEY]" in bodies[1]
    assert ran.result.result == "The token is [redacted: github token]."
    assert any(notice.about == "redaction" for notice in ran.events(e.Notice))
    deltas = "".join(x.event.text for x in ran.envelopes if isinstance(x.event, e.TextDelta))
    assert deltas == "The token is [redacted: github token]."


def test_a_call_runs_with_what_the_model_wrote(workspace):
    token = SECRETS["github token"]
    with Endpoint([turn(use("Write", file_path="new.txt", content=f"{token}\n")), say("Done.")]) as endpoint:
        ran = run(workspace, endpoint)
    assert (workspace / "new.txt").read_text() == f"{token}\n"
    assert token not in "".join(map(repr, ran.envelopes))


def test_a_mark_is_never_written_in_the_place_of_a_secret(workspace):
    token = SECRETS["github token"]
    (workspace / "config.ini").write_text(f"token = {token}\nn = 1\n")
    calls = turn(
        use("Read", file_path="config.ini"),
        use("Write", file_path="config.ini", content="token = [redacted: github token]\nn = 2\n"),
        use("Edit", file_path="config.ini", old_string="n = 1", new_string="n = 2"),
    )
    with Endpoint([calls, say("Done.")]) as endpoint:
        run(workspace, endpoint)
        results = "\n".join(texts(endpoint.requests[1].body["messages"][-1]))
    assert "stands for a secret that was not shown to you" in results
    assert (workspace / "config.ini").read_text() == f"token = {token}\nn = 2\n"
