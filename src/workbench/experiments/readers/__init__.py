"""Readers of what training programs leave behind, one file a format."""
