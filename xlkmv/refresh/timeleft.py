"""How much longer a work will take, in words that do not jump about."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from xlkmv.phrase import Phrase

__all__ = ["TimeLeft"]

# What is shown goes down with the clock; up it goes when so much more (a share, and seconds) has been left
# for so many seconds.
_LONGER, _MORE, _FOR = 1.25, 5.0, 3.0
# An old pace fades over this share of the time that has passed, or this many seconds.
_MEMORY, _LEAST_MEMORY = 0.3, 10.0
# Seconds before there is a pace to speak of.
_SOON = 0.5


class TimeLeft:
    """Turns the share of a work that is done into how much longer it will take.

    It follows the pace of late, fading slowly, so that a stage that runs faster or slower than its share
    says is seen, and a pace that swings is not.

    Parameters
    ----------
    clock : callable
        Seconds, never falling. It starts when this is made.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = self._last = clock()
        # Share done, and the work and the time of late.
        self._share = self._done = self._spent = 0.0
        # Seconds that are shown, and when they were last near the truth.
        self._shown, self._near = math.inf, self._start

    def __call__(self, share: float) -> str:
        """Say how much is left.

        Parameters
        ----------
        share : float
            Share of the work that is done, 0 to 1.

        Returns
        -------
        str
            "about 40 s left", in steps that a reader can use; "" in the first half second, and while
            nothing has been done.
        """
        now, share = self._clock(), min(share, 1.0)
        fading = math.exp((self._last - now) / max(_MEMORY * (now - self._start), _LEAST_MEMORY))
        self._done = fading * self._done + max(share - self._share, 0.0)
        self._spent = fading * self._spent + now - self._last
        self._last, self._share = now, max(share, self._share)
        if self._done <= 0.0 or now < self._start + _SOON:
            return ""
        left = (1.0 - share) * self._spent / self._done
        step = _step(left)
        rounded = step * max(math.ceil(left / step - 0.5), 1)
        if left <= _LONGER * self._shown + _MORE:
            self._near = now
        if rounded < self._shown or now >= self._near + _FOR:
            self._shown = rounded
        return _words(self._shown)


def _step(seconds: float) -> float:
    """Length of the steps in which so many seconds are told."""
    return next((step for most, step in ((30.0, 5.0), (120.0, 10.0), (600.0, 60.0)) if seconds < most), 300.0)


def _words(seconds: float) -> str:
    if seconds < 120.0:
        return Phrase("about {seconds:.0f} s left", seconds=seconds)
    hours, minutes = divmod(round(seconds / 60.0), 60)
    if hours:
        return Phrase("about {hours} h {minutes} min left", hours=hours, minutes=minutes)
    return Phrase("about {minutes} min left", minutes=minutes)
