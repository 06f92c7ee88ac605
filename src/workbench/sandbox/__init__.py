"""What stands around a command: environment, process group, limits, clean-up."""
