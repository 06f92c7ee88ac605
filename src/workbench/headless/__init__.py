"""`mlwb run`: a session with no one watching, told by its output and its exit code."""
