"""`mlwb run`."""


def main(args: list[str]) -> int:
    """Runs a task with no one watching; see `mlwb run --help` and docs/headless.md."""
    # A replay needs no SDK; help needs nothing.
    if not any(arg in ("-h", "--help") or arg.startswith("--replay") for arg in args):
        from workbench.host.local import begin_imports

        begin_imports()
    from workbench.headless.run import run

    return run(args)
