"""The gate: a pure function from (call, policy, world) to a verdict, and the rules it reads."""
