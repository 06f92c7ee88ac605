"""The panes beside the talk, one file each."""
