"""`mlwb doctor`: what works here and what does not, each tried for real, and how to mend it."""

import json

import msgspec

from workbench.protocol.visible import visible
from workbench.verbs.doctor_checks import Check, Finding, all_checks
from workbench.verbs.options import Parser

_SIGNS = {True: "✓", None: "·", False: "✗"}


def main(args: list[str]) -> int:
    """Runs `mlwb doctor ARGS`; returns the exit status: 0 where nothing that is needed is missing, else 1."""
    parser = Parser(prog="mlwb doctor", description="What works here, and how to mend what does not.")
    parser.add_argument("--json", action="store_true", help="for programs: name, ok, detail, fix; null ok: not needed")
    options = parser.parse_args(args)
    findings: list[Finding] = []
    for check in all_checks():
        for finding in looked(check):
            findings.append(finding)
            if not options.json:
                print(_line(finding), flush=True)
    if options.json:
        print(json.dumps([{"fix": "", **msgspec.to_builtins(finding)} for finding in findings]))
    return 1 if any(finding.ok is False for finding in findings) else 0


def looked(check: Check) -> list[Finding]:
    """What CHECK found; a check that fails is a finding, too."""
    try:
        return list(check())
    except Exception as error:  # whatever it met, the other checks go on
        return [Finding(name=check.__name__, ok=False, detail=f"could not be looked at: {error!r}")]


def _line(finding: Finding) -> str:
    first = f"{_SIGNS[finding.ok]} {finding.name:<11}{visible(finding.detail)}"
    return f"{first}\n{'':<13}→ {visible(finding.fix)}" if finding.fix else first
