"""When Python's garbage collector may run in the workbench.

A full collection looks through every object there is and stops all threads for it. While the program starts or loads a
session, nearly everything that is made stays, so none runs; then what is there is set aside, and only what comes after
it is looked through.
"""

import gc

# New objects before the youngest are looked through, and how often that happens before older ones are. A frame of a
# streamed answer makes some thousands of objects that reference counts free; few cycles are among them.
_THRESHOLDS = (10_000, 20, 20)
_mine = False  # whether this process is the workbench's own


def manage() -> None:
    """This process is the workbench's: no collection from here until `settle`."""
    global _mine
    _mine = True
    pause()


def pause() -> None:
    """No collection until `settle`: much is about to be made that stays."""
    if _mine:
        gc.disable()


def settle() -> None:
    """What is here stays: it is set aside, and collections go on."""
    if _mine:
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)
        gc.enable()
