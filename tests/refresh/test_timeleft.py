"""Time left, told with a clock of our own."""

from __future__ import annotations

import itertools
import math

import pytest

from xlkmv.refresh.timeleft import TimeLeft


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def told(seconds: float, share_at, every: float = 0.25) -> list[tuple[float, float]]:
    """Work of so many seconds, share_at(t) done after t of them: time, and seconds told to be left."""
    clock = Clock()
    left, out = TimeLeft(clock), []
    for k in range(1, round(seconds / every) + 1):
        clock.now = 1000.0 + k * every
        text = left(share_at(k * every))
        if k * every < 0.5:
            assert text == ""
            continue
        about, *words, end = text.split()
        assert (about, end) == ("about", "left")
        units = {"s": 1.0, "min": 60.0, "h": 3600.0}
        pairs = zip(words[::2], words[1::2], strict=True)
        out.append((k * every, sum(float(number) * units[unit] for number, unit in pairs)))
    return out


@pytest.mark.parametrize("seconds", [4.0, 12.0, 45.0, 200.0, 2000.0])
def test_at_an_even_pace_it_counts_down_from_the_first_second(seconds: float) -> None:
    found = told(seconds, lambda t: t / seconds)
    for (_, before), (t, now) in itertools.pairwise(found):
        assert now <= before
        left = seconds - t
        assert abs(now - left) <= max(5.0, 0.5 * (60.0 if 120.0 <= left < 600.0 else 10.0), 0.2 * left)


def test_words() -> None:
    clock = Clock()
    for seconds, words in [(12.0, "10 s"), (38.0, "40 s"), (200.0, "3 min"), (4000.0, "1 h 5 min")]:
        left = TimeLeft(clock)
        clock.now += 1.0
        assert left(1.0 / (1.0 + seconds)) == f"about {words} left"


def test_nothing_is_told_before_anything_is_done() -> None:
    clock = Clock()
    left = TimeLeft(clock)
    assert left(0.0) == ""
    clock.now += 10.0
    assert left(0.0) == ""
    assert left(0.5) == "about 10 s left"


def test_a_pace_that_swings_does_not_make_it_jump() -> None:
    # Twice as fast as on average, and at a standstill, in turns of two seconds: the first misleads.
    found = told(100.0, lambda t: (4.0 * (t // 4.0) + min(2.0 * (t % 4.0), 4.0)) / 100.0)
    told_up = sum(now > before for (_, before), (_, now) in itertools.pairwise(found))
    assert told_up == 1
    late = [(t, now) for t, now in found if t > 10.0]
    assert all(abs(now - (100.0 - t)) <= max(10.0, 0.25 * (100.0 - t)) for t, now in late)


def test_a_stage_that_takes_longer_than_its_share_is_seen_in_time() -> None:
    # The second half of the share takes three times as long as the first: 25 s, then 75 s.
    found = dict(told(100.0, lambda t: t / 50.0 if t < 25.0 else 0.5 + (t - 25.0) / 150.0))
    assert found[20.0] == pytest.approx(30.0, abs=5.0)
    assert found[60.0] > found[25.0]
    assert found[80.0] == pytest.approx(20.0, rel=0.5)
    ups = [now / before for before, now in itertools.pairwise(found.values()) if now > before]
    assert all(ratio >= 1.2 for ratio in ups) and len(ups) <= 5


def test_done_is_done() -> None:
    clock = Clock()
    left = TimeLeft(clock)
    clock.now += 30.0
    assert left(math.nextafter(1.0, 0.0)) == "about 5 s left"
    assert left(1.0) == left(1.2) == "about 5 s left"
