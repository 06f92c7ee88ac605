"""The tools an agent may call, one file each."""
