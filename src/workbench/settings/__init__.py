"""Settings: the user's, what a workspace may add to them, and which workspaces the user trusts."""
