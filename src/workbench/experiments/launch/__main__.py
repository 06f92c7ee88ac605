"""Supervises the job that is read from standard input, as JSON; news of it go to standard output, a line each."""

import os
import sys

import msgspec

from workbench.experiments.launch.supervisor import supervise
from workbench.experiments.launch.types import Job

if __name__ == "__main__":
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    supervise(job, os.dup(1))
