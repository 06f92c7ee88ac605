"""Where secrets lie on a machine: data, with the reason for each. Confined commands find nothing there."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

# Below the home; a star stands for names within one folder.
HOME = {
    "keys that open other machines": (
        ".ssh .gnupg .putty .config/step .step .local/share/keyrings .password-store .config/op "
        ".config/Bitwarden* .config/keepassxc *.pem *.kdbx *.ppk *.p12 *.pfx *.key id_rsa id_ed25519"
    ),
    "cloud accounts": (
        ".aws .azure .config/gcloud .oci .boto .s3cfg .config/rclone .rclone.conf .kube .docker/config.json "
        ".docker/run .config/doctl .config/hcloud .fly .config/scw .aliyun .bluemix .terraformrc "
        ".terraform.d/credentials.tfrc.json .pulumi/credentials.json .vault-token .consul .nomad "
        ".config/containers/auth.json .config/helm .config/argocd .config/configstore .minio .mc"
    ),
    "model hubs, trackers and GPU clouds": (
        ".cache/huggingface/token .cache/huggingface/stored_tokens .huggingface .config/wandb .config/neptune "
        ".comet.config .clearml.conf clearml.conf .kaggle .modal.toml .runpod .lambda_cloud .vast_api_key "
        ".config/vastai .replicate .config/replicate .ngc .sky .determined .mlflow/credentials .config/openai "
        ".config/anthropic .config/lightning .lightning/credentials.json"
    ),
    "agents' own keys and logs": (
        ".claude.json .claude/.credentials.json .claude/projects .codex/auth.json .codex/sessions "
        ".gemini/oauth_creds.json .config/github-copilot .config/mlwb .local/state/mlwb "
        ".local/share/opencode/auth.json .aider.conf.yml .config/goose .cursor/auth.json"
    ),
    "code hosts and package registries": (
        ".netrc _netrc .git-credentials .config/git/credentials .config/gh .config/hub .config/glab-cli .pypirc "
        ".config/pypoetry/auth.toml .npmrc .yarnrc.yml .cargo/credentials .cargo/credentials.toml "
        ".gem/credentials .m2/settings.xml .m2/settings-security.xml .gradle/gradle.properties "
        ".nuget/NuGet/NuGet.Config .composer/auth.json .config/pip/pip.conf .pip/pip.conf .conda/aau_token* "
        ".subversion/auth .hgrc .curlrc .wgetrc"
    ),
    "data bases": ".pgpass .my.cnf .mylogin.cnf .dbshell .mongorc.js .config/pgcli .sqliterc",
    "notebook servers that answer whoever knows their token": (
        ".local/share/jupyter/runtime .jupyter/*.json .jupyter/jupyter_*_config.py .local/share/code-server "
        ".config/code-server"
    ),
    "the desktop and the browser": (
        ".Xauthority .ICEauthority .mozilla .thunderbird .config/google-chrome .config/chromium "
        ".config/BraveSoftware .config/Slack .config/discord .config/Signal .config/pulse .electrum .bitcoin "
        ".ethereum"
    ),
    "what was typed": (
        ".bash_history .zsh_history .zhistory .sh_history .local/share/fish/fish_history .python_history "
        ".ipython/profile_*/history.sqlite .psql_history .mysql_history .sqlite_history .rediscli_history "
        ".node_repl_history .lesshst .viminfo .local/share/nvim/shada .local/state/nvim/shada .histfile .history "
        ".bash_sessions .zsh_sessions"
    ),
    "settings that hold keys": (
        ".env .env.* .envrc .secrets secrets.* credentials.json client_secret*.json service-account*.json "
        "service_account*.json"
    ),
}
MACHINE = {
    "passwords and keys of the machine": (
        "/etc/shadow /etc/shadow- /etc/gshadow /etc/gshadow- /etc/security/opasswd /etc/ssh/ssh_host_*_key "
        "/etc/ssl/private /etc/krb5.keytab /etc/sudoers /etc/sudoers.d /etc/wireguard /etc/openvpn "
        "/etc/NetworkManager/system-connections /etc/munge /etc/slurm/slurmdbd.conf"
    ),
    "a cluster's own secrets": (
        "/var/run/secrets /run/secrets /etc/kubernetes /var/lib/kubelet /etc/rancher /var/lib/rancher "
        "/var/lib/docker /var/lib/containerd /var/lib/cloud /var/lib/munge"
    ),
    "mail and jobs of users": "/var/spool/cron /var/spool/at /var/mail /var/spool/mail",
}
# Variables of the user's environment by which programs look for these elsewhere; the second part lies below it.
ELSEWHERE = {
    "AWS_SHARED_CREDENTIALS_FILE": "", "AWS_CONFIG_FILE": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "", "KUBECONFIG": "",
    "DOCKER_CONFIG": "config.json", "GNUPGHOME": "", "NETRC": "", "GOOGLE_APPLICATION_CREDENTIALS": "",
    "CLOUDSDK_CONFIG": "", "GH_CONFIG_DIR": "", "HF_TOKEN_PATH": "", "HF_HOME": "token", "KAGGLE_CONFIG_DIR": "",
    "NPM_CONFIG_USERCONFIG": "", "PIP_CONFIG_FILE": "", "PGPASSFILE": "", "WANDB_CONFIG_DIR": "", "XAUTHORITY": "",
    "KRB5CCNAME": "", "CARGO_HOME": "credentials.toml", "HISTFILE": "", "PYTHON_HISTORY": "", "SSH_AUTH_SOCK": "",
    "AZURE_CONFIG_DIR": "", "RCLONE_CONFIG": "", "VAULT_TOKEN_PATH": "", "XDG_RUNTIME_DIR": "",
}  # fmt: skip
# Files of secrets in a workspace, by name; examples of such files are none.
_IN_WORKSPACES = (".env", ".envrc", ".netrc", ".pypirc", ".git-credentials", "secrets.toml", "secrets.env", "id_rsa")
_ENDINGS = (".pem", ".p12", ".pfx", ".kdbx", ".ppk", ".jks")
_EXAMPLES = ("example", "sample", "template", "dist", "defaults")
_MOST_FOLDERS = 400
_DEEPEST = 4
_SKIPPED = frozenset((".git", "node_modules", ".venv", "venv", "env", "__pycache__", ".mlwb", "site-packages", ".tox"))


_SSH = Path("/etc/ssh")


def places(home: Path, env: Mapping[str, str]) -> tuple[Path, ...]:
    """The places of secrets, links followed, none below another; one may not exist yet (a login in mid-session).

    ENV is the user's own, not scrubbed.
    """
    found = {path for names in HOME.values() for name in names.split() for path in _matching(home, name)}
    found |= {path for names in MACHINE.values() for name in names.split() for path in _matching(Path("/"), name[1:])}
    for variable, below in ELSEWHERE.items():
        value = env.get(variable, "").removeprefix("FILE:")
        if value.startswith("/") and len(Path(value).parts) > 2:  # never the root, nor a folder right below it
            found.add(Path(value) / below)
    if sum(path.parent == _SSH and os.access(path, os.R_OK) for path in found) > 1:
        found.add(_SSH)  # root: one mount in place of several, over what serves nobody who has no key
    return outermost({Path(os.path.realpath(path)) for path in found})


Seen = dict[str, tuple[int, list[str], list[Path]]]


def in_workspace(root: Path, seen: Seen) -> tuple[Path, ...]:
    """Files of secrets in a workspace: as deep as people put them, in the first few hundred folders.

    SEEN is kept between calls: a folder that has not changed is not read again.
    """
    found: list[Path] = []
    todo = [(str(root), 0)]
    looked = 0
    while looked < min(len(todo), _MOST_FOLDERS):
        folder, depth = todo[looked]
        looked += 1
        try:
            changed = Path(folder).lstat().st_mtime_ns
            if folder not in seen or seen[folder][0] != changed:
                seen[folder] = (changed, *_look(folder))
        except OSError:
            continue
        _, folders, secrets = seen[folder]
        found += secrets
        if depth < _DEEPEST:
            todo += [(path, depth + 1) for path in folders]
    return tuple(sorted(found))


def _look(folder: str) -> tuple[list[str], list[Path]]:
    folders, secrets = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _SKIPPED:
                    folders.append(entry.path)
            elif is_secret_file(entry.name):
                secrets.append(Path(entry.path))
    return folders, secrets


def is_secret_file(name: str) -> bool:
    """Whether a file of that name, in a workspace, holds secrets."""
    lower = name.lower()
    if lower.startswith((".env.", ".env_")):
        return not lower.endswith(_EXAMPLES)
    return lower in _IN_WORKSPACES or lower.endswith(_ENDINGS)


def outermost(paths: set[Path] | tuple[Path, ...]) -> tuple[Path, ...]:
    """PATHS without those that lie below another, sorted."""
    kept: list[Path] = []
    for path in sorted(paths):
        if not kept or not path.is_relative_to(kept[-1]):
            kept.append(path)
    return tuple(kept)


def _matching(folder: Path, name: str) -> Iterator[Path]:
    if "*" in name:
        try:
            yield from folder.glob(name)
        except OSError:
            return
    else:
        yield folder / name
