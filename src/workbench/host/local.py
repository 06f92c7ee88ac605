"""A session owned by this process, and a client of it. What `mlwb run`, the demo and tests stand on."""
