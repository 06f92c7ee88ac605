"""When Python's garbage collector may run in the workbench.

A full collection looks through every object there is and stops all threads for it, the screen's too: tens of
milliseconds, more with a long session. So none runs while the program starts or loads a session, and later only while
the person does nothing. What is there then is set aside, and the next one looks through what came after it. The young
are collected as ever, in steps too short to be felt.
"""

import gc

# New objects before the youngest are looked through, how many times that happens before the next older ones are, and
# how many times this before all are: never by itself. A step looks through 30,000 objects at most, about 10 ms.
_THRESHOLDS = (10_000, 2, 1_000_000)
_WORTH = 20  # steps of the middle kind, after which a full collection is worth its time
_PAUSE, _REST = 3.0, 60.0  # seconds without a key: a person who reads, and one who is away
_mine = False  # whether this process is the workbench's own
_thorough = False  # whether all was looked through in this rest


def manage() -> None:
    """This process is the workbench's: no collection from here until `settle`."""
    global _mine
    _mine = True
    gc.set_threshold(*_THRESHOLDS)
    pause()


def pause() -> None:
    """No collection until `settle`: much is about to be made that stays."""
    if _mine:
        gc.disable()


def settle() -> None:
    """What is here stays: it is set aside, and the young are collected from now on."""
    if _mine:
        gc.freeze()
        gc.enable()


def tidy(still: float) -> None:
    """To be called now and then; STILL is for how many seconds the person has done nothing.

    Collects what came since all was set aside last, if that is much; once in a long rest also what had been set aside.
    """
    global _thorough
    _thorough = _thorough and still > _REST
    whole = still > _REST and not _thorough
    if not _mine or not gc.isenabled() or still < _PAUSE or (gc.get_count()[2] < _WORTH and not whole):
        return
    if whole:
        _thorough = True
        gc.unfreeze()
    gc.collect()
    gc.freeze()
