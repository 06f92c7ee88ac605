"""Solutions are run as programs, never collected as tests."""

collect_ignore = ["solutions"]
