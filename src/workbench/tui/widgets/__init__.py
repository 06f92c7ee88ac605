"""Parts of the screen that are not panes."""
