"""The workbench: a client of a session that draws it in a terminal. The only room that imports Textual."""
