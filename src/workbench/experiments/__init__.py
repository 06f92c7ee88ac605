"""Experiments: every training command becomes a run that can be seen, compared and trusted."""
