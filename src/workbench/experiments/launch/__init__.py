"""Starting runs: one small contract, and this machine as the first that keeps it."""
