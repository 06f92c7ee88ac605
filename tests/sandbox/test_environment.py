"""What of the user's environment a command gets."""

import pytest

from workbench.sandbox.environment import scrub

SECRETS = {
    "ANTHROPIC_API_KEY": "k",
    "ANTHROPIC_AUTH_TOKEN": "t",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:1",
    "ANTHROPIC_MODEL": "m",
    "OPENAI_API_KEY": "k",
    "HF_TOKEN": "t",
    "WANDB_API_KEY": "k",
    "GITHUB_TOKEN": "t",
    "GH_PAT": "t",
    "githubtoken": "t",
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SESSION_TOKEN": "a",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/f",
    "GOOGLE_APPLICATION_CREDENTIALS": "/f.json",
    "AZURE_CLIENT_SECRET": "s",
    "AZURE_STORAGE_CONNECTION_STRING": "AccountName=x;AccountKey=y",
    "DB_PASSWORD": "123456",
    "DB_PASS2": "x",
    "MYSQL_PWD": "x",
    "PGPASSWORD": "x",
    "SENTRY_DSN": "https://abc@example.org/1",
    "DOCKER_AUTH_CONFIG": "{}",
    "npm_config__authToken": "x",
    "openaiKey": "x",
    "SESSION_COOKIE": "x",
    "SSH_AUTH_SOCK": "/tmp/agent",
    "SSH_ASKPASS": "/usr/bin/x",
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/1/bus",
    "TMUX": "/tmp/tmux-1/default,1,0",
    "DISPLAY": ":0",
    "XAUTHORITY": "/x",
    "VSCODE_GIT_IPC_HANDLE": "/x",
    # secret by value
    "PIP_INDEX_URL": "https://user:pass@pypi.example.org/simple",
    "DATABASE_URL": "postgresql://me:hunter2@db/x",
    "REDIS": "redis://:hunter2@cache:6379/0",
    "HTTPS_PROXY": "http://u:p@proxy:3128",
    "EXTRA": "ghp_" + "a1" * 20,
    "HEADER": "Authorization: Bearer abcdefghijklmnop",
    "SIGNER": "-----BEGIN RSA PRIVATE KEY-----\nx",
    "AWS_ENDPOINT_URL": "https://k:s@s3.example.org",
}
HARMLESS = {
    "PATH": "/usr/bin",
    "HOME": "/home/me",
    "LANG": "C.UTF-8",
    "TOKENIZERS_PARALLELISM": "false",
    "TOKENIZER_PATH": "/models/tok",
    "PYTHONHASHSEED": "0",
    "KEYBOARD_LAYOUT": "us",
    "MONKEY": "x",
    "GIT_AUTHOR_NAME": "me",
    "XDG_SESSION_TYPE": "tty",
    "XDG_RUNTIME_DIR": "/run/user/1",
    "SSH_CONNECTION": "1 2 3 4",
    "MAX_TOKENS": "4096",
    "VLLM_MAX_NUM_BATCHED_TOKENS": "8192",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "USE_AUTH": "false",
    "EMPTY_API_KEY": "",
    "HF_HOME": "/data/hf_datasets_cache_and_more_of_it",
    "WANDB_PROJECT": "p",
    "AWS_REGION": "eu-west-1",
    "AWS_PROFILE": "dev",
    "CUDA_VISIBLE_DEVICES": "0,1",
    "LD_LIBRARY_PATH": "/usr/local/cuda/lib64",
    "LD_PRELOAD": "/usr/lib/libjemalloc.so",
    "MLFLOW_TRACKING_URI": "http://localhost:5000",
    "PIP_EXTRA_INDEX_URL": "https://example.org/whl/cu130",
    "HTTP_PROXY": "http://proxy:3128",
    "SSL_CERT_FILE": "/etc/ssl/cert.pem",
    "BASH_FUNC_module%%": "() { echo module; }",
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_withheld_and_named(name):
    env, withheld = scrub({name: SECRETS[name], "PATH": "/bin"})
    assert name not in env
    assert SECRETS[name] not in env.values()
    assert withheld == (name,)


@pytest.mark.parametrize("name", HARMLESS)
def test_look_alikes_pass(name):
    env, withheld = scrub({name: HARMLESS[name]})
    assert env[name] == HARMLESS[name]
    assert withheld == ()


def test_settings_let_named_variables_and_patterns_through():
    env, withheld = scrub(SECRETS, keep=["WANDB_API_KEY", "AWS_*", "ANTHROPIC_API_KEY"])
    assert env["WANDB_API_KEY"] == "k"
    assert env["AWS_SESSION_TOKEN"] == "a"
    assert env["ANTHROPIC_API_KEY"] == "k"
    assert "WANDB_API_KEY" not in withheld
    assert "HF_TOKEN" in withheld


@pytest.mark.parametrize(
    "name",
    [
        "BASH_ENV",
        "ENV",
        "PROMPT_COMMAND",
        "SHELLOPTS",
        "BASHOPTS",
        "CDPATH",
        "PS4",
        "BASH_FUNC_ls%%",
        "BASH_FUNC_git()",
    ],
)
def test_what_changes_how_bash_reads_a_command_is_gone(name):
    env, withheld = scrub({name: "() { echo evil; }"})
    assert name not in env
    assert withheld == ()


def test_own_variables_are_gone():
    env, withheld = scrub({"MLWB_SOCKET_DIR": "/tmp/x", "MLWB_COMMAND": "abc"})
    assert not [name for name in env if name.startswith("MLWB_")]
    assert withheld == ()


def test_output_comes_at_once_and_nothing_waits_for_a_person():
    env, _ = scrub({"PYTHONUNBUFFERED": "", "TERM": "xterm-256color", "PAGER": "less", "FORCE_COLOR": "1"})
    assert env["PYTHONUNBUFFERED"] == "1"
    assert env["TERM"] == "dumb"
    assert env["PAGER"] == env["GIT_PAGER"] == "cat"
    assert env["GIT_TERMINAL_PROMPT"] == "0"
    assert env["GIT_EDITOR"] == "true"
    assert "FORCE_COLOR" not in env


def test_the_user_decides_even_on_what_is_set_for_commands():
    env, _ = scrub({"TERM": "xterm"}, keep=["TERM"])
    assert env["TERM"] == "xterm"
