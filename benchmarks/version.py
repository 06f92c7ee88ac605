"""`mlwb --version` against an interpreter that does nothing."""

from measure import cpu_of, figure, mlwb, python

if __name__ == "__main__":
    bare, ours = cpu_of(python("-c", "pass"), 21), cpu_of(mlwb("--version"), 21)
    figure("mlwb --version, CPU", ours / bare, "x", 4.0, "python -c pass", ours_ms=ours * 1e3, bare_ms=bare * 1e3)
