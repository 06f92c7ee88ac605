"""What crosses a boundary: events, commands, queries, display blocks, their envelope and codec."""
