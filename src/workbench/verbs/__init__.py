"""The verbs of `mlwb`, one module each: arguments in, exit status out."""
