"""`make fuzz`: random commands by bash against the gate, random bytes into the readers. Prints its seed first.

python -m fuzz.run [--seconds N] [--commands N] [--seed N]
"""

import argparse
import random
import sys
import time

from fuzz.arena import Arena
from fuzz.compare import Tally, judge, judge_experiment
from fuzz.generate import command, experiment
from fuzz.readers import feed


def main() -> int:
    """0 where nothing was found; 1 with each find on a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long, half an eighth of it for the readers")
    parser.add_argument("--commands", type=int, default=0, help="so many commands, however long it takes")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    print(f"seed {seed}", flush=True)
    chance, tally, arena = random.Random(seed), Tally(), Arena()
    began, made = time.monotonic(), 0
    try:
        while made < options.commands if options.commands else time.monotonic() - began < options.seconds * 7 / 8:
            judge(arena, command(chance), tally)
            if made % 4 == 0:
                judge_experiment(arena, experiment(chance), tally)
            made += 1
    finally:
        arena.close()
    print(
        f"{made:,} commands: {tally.understood:,} understood and run by bash ({tally.ran:,} ran a program, "
        f"{tally.allowed:,} would have passed unasked), {tally.refused:,} refused ({tally.withheld:,} run to see "
        f"whether a deny rule was got round); {tally.carried:,} `mlwb exp` carried out by the "
        f"host; {len(tally.hidden)} hid one"
    )
    broken, fed = feed(chance, max(2.0, options.seconds / 8))
    print(f"{fed:,} inputs to the loader, the rules and the protocol; {len(broken)} broke one")
    for find in (*tally.hidden, *broken):
        print(find)
    return 1 if tally.hidden or broken else 0


if __name__ == "__main__":
    sys.exit(main())
