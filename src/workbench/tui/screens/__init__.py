"""Whole screens that cover the workbench for a while."""
