"""mlwb: the terminal workbench for agent-assisted machine learning."""

__version__ = "0.1.0"
