"""Paths with the same defaults have the same cash: each pattern of defaults is computed once per block.

It is computed only from the date on which it parts from the pattern that it is like until then
(:func:`find_patterns`). Where nearly all paths differ, each is a pattern from the first date on
(:func:`all_paths`), and some may stand for others (:mod:`xlkmv.deal.paths.sampling`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from xlkmv.deal.paths.draws import Ints
from xlkmv.deal.paths.sampling import Sample
from xlkmv.deal.plan.recovery import Returns
from xlkmv.model.domain import Array

__all__ = ["Patterns", "all_paths", "find_patterns", "joined"]

# Numbers that a processor keeps at hand.
LARGEST_TABLE = 1 << 19


@dataclass(frozen=True, slots=True, eq=False)
class Patterns:
    """Default patterns of a block, by the date from which they differ from those before.

    Pattern 0 is there from the first date on; where like paths were looked for, it is nobody in
    default. Every other one is like its parent, which comes before it, up to a date: from that
    date on it has to be computed.

    Attributes
    ----------
    columns, first, owner : ndarray, shape (events,)
        Obligor, first missed date and pattern of each default, by span of dates, then pattern. A
        pattern has all of its defaults, those from before it is computed, too.
    span : int
        Dates in a span; the last one may have less.
    happened : ndarray, shape (spans,)
        Defaults up to the end of each span.
    payer : ndarray, shape (u,)
        First date on which the payer of the undertaking is dead.
    parent : ndarray, shape (u,)
    active : ndarray, shape (n,)
        Patterns that are computed on each date; they come first.
    weights : list of ndarray, shapes (active,)
        Paths that are, up to each date, as the pattern is.
    rows, index : ndarray, shape (paths with events,)
        Paths, and the pattern of each; those that are not named have pattern 0, or are left out.
    stands : ndarray, shape (paths with events,), or None
        Paths that each of these paths stands for, where others were left out or drawn more often;
        None: itself.
    returns : Returns or None
        Of each default, where its recovery is drawn.
    """

    columns: Ints
    first: Ints
    owner: Ints
    span: int
    happened: Ints
    payer: Ints
    parent: Ints
    active: Ints
    weights: list[Array]
    rows: Ints
    index: Ints
    stands: Array | None = None
    returns: Returns | None = None

    def without_defaults(self) -> Patterns:
        """Keep what payments ask for: how paths and patterns hang together."""
        nothing = np.empty(0, np.int64)
        return replace(self, columns=nothing, first=nothing, owner=nothing, returns=None)

    @property
    def paid(self) -> Array:
        """Paths of each pattern that are not left out, whatever each stands for, shape (u,)."""
        if self.stands is None:
            return self.weights[-1]
        return np.bincount(self.index, minlength=self.parent.size).astype(np.float64)

    @property
    def path(self) -> Ints:
        """Path of each default, shape (events,), where no two paths with defaults are alike."""
        of_pattern = np.zeros(self.parent.size, np.int64)
        of_pattern[self.index] = self.rows
        return of_pattern.take(self.owner)

    def sampled(self, sample: Sample) -> Patterns:
        """Patterns of some paths that stand for others, for payments alone; each path is one of these."""
        chosen, stands = sample
        return replace(
            self.apart(chosen.size),
            payer=self.payer.take(chosen),
            weights=[stands] * self.active.size,
            rows=chosen,
            index=np.arange(chosen.size),
            stands=stands,
        )

    def apart(self, size: int) -> Patterns:
        """As many patterns, each computed from the first date on, for payments alone."""
        none, dates = self.without_defaults(), self.active.size
        return replace(none, parent=np.zeros(size, np.int64), active=np.full(dates, size))


def find_patterns(
    paths: int,
    rows: Ints,
    columns: Ints,
    first: Ints,
    payer: Ints,
    obligors: int,
    dates: int,
    alike: bool = True,
    weight: Array | None = None,
) -> Patterns:
    """Group the paths of a block that have the same defaults on the same dates, and link the groups.

    A default is a number, larger the earlier it is. The earliest of a path, in this order,
    make its key: sorted by key, paths with the same first defaults stand together, and the
    first one of them has no other default until they part. Paths whose defaults fill a key
    are taken for different.

    Parameters
    ----------
    paths : int
    rows, columns, first : ndarray of int, shape (events,)
        Path, increasing, obligor and first missed date of each default.
    payer : ndarray of int, shape (paths,)
        First date on which the payer of the undertaking is dead; `dates`: never.
    obligors, dates : int
    alike : bool
        Whether equal defaults bring the same. If not, all paths with a default are taken for
        different, from their first default on.
    weight : ndarray, shape (paths,), optional
        What each path counts for; their sum is the number of paths. 1 when left out.

    Returns
    -------
    Patterns
    """
    slots = obligors + 1  # the payer is one more
    bits = int(slots * dates).bit_length()
    held, mask = 64 // bits, (1 << bits) - 1
    dead = np.flatnonzero(payer < dates)
    code = np.concatenate(
        [(dates - 1 - first) * slots + columns, (dates - 1 - payer[dead]) * slots + obligors]
    )
    events = np.sort(np.concatenate([rows, dead]) << bits | code + 1)
    path, code = events >> bits, events & mask
    counts = np.bincount(path, minlength=paths)
    ends = np.cumsum(counts)
    touched = np.flatnonzero(counts > 0)
    place = ends[path] - 1 - np.arange(path.size)  # 0: the earliest of its path
    parts = np.where(place < held, code << np.maximum(bits * (held - 1 - place), 0), 0).view(np.uint64)
    key = np.add.reduceat(parts, (ends - counts)[touched]) if touched.size else parts
    order = np.argsort(key, kind="stable")  # the same on every machine
    key, by_key = np.append(np.uint64(0), key[order]), touched[order]
    new = (key[1:] != key[:-1]) | (key[1:] & np.uint64(mask) != 0) | (not alike)
    chosen, key = by_key[new], key[np.append(True, new)]
    # They part at the earlier date of the first defaults that differ, which is in the larger key.
    differ = key[1:] ^ key[:-1] if alike else key[1:]
    part = key[1:] & np.uint64(mask)
    for shift in range(bits, bits * held, bits):
        apart = differ >> np.uint64(shift) != 0
        part[apart] = (key[1:][apart] >> np.uint64(shift)) & np.uint64(mask)
    born = np.append(-1, dates - 1 - (part.astype(np.int64) - 1) // slots)
    # The parent is the nearest one before that was born earlier.
    parent = np.maximum(np.arange(born.size) - 1, 0)
    late = np.flatnonzero(born[parent] >= born)[1:]
    while late.size:
        parent[late] = parent[parent[late]]
        late = late[born[parent[late]] >= born[late]]
    by_birth = np.argsort(born.astype(np.int16), kind="stable")
    position = np.empty_like(by_birth)
    position[by_birth] = np.arange(by_birth.size)
    born, parent = born[by_birth], position[parent[by_birth]]
    active = np.searchsorted(born, np.arange(dates), side="right")
    index = np.empty(touched.size, np.int64)
    index[order] = position[np.cumsum(new)]
    named, stands = touched, weight
    if weight is None:
        weight = np.bincount(index, minlength=born.size).astype(np.float64)
        weight[0] = paths - touched.size
    else:
        # Each has a weight of its own, those without a default, too.
        named, others = np.arange(paths), index
        index = np.zeros(paths, np.int64)
        index[touched] = others
        weight = np.asarray(np.bincount(index, weight, born.size), np.float64)
    # Defaults of the chosen paths, the payer's apart.
    size = counts[chosen]
    last = np.cumsum(size)
    which = np.repeat(ends[chosen] - last, size) + np.arange(last[-1] if last.size else 0)
    owner = np.repeat(position[1:], size)
    late_by, column = np.divmod(np.arange(slots * dates), slots)
    code = code[which] - 1
    column, date = column[code], (dates - 1 - late_by)[code]
    span, kept = span_of(obligors, dates), np.flatnonzero(column < obligors)
    kept = kept[np.lexsort((owner[kept], date[kept] // span))]
    return Patterns(
        columns=column[kept],
        first=date[kept],
        owner=owner[kept],
        span=span,
        happened=np.cumsum(np.bincount(date[kept] // span, minlength=-(-dates // span))),
        payer=np.append(dates, payer[chosen])[by_birth],
        parent=parent,
        active=active,
        weights=_weights(weight, parent, active),
        rows=named,
        index=index,
        stands=stands,
    )


def all_paths(
    rows: Ints,
    columns: Ints,
    first: Ints,
    payer: Ints,
    obligors: int,
    dates: int,
    sample: Sample | None = None,
) -> Patterns:
    """Make every path a pattern of its own, computed from the first date: nearly all differ anyway.

    Arguments are as in :func:`find_patterns`; of a sample only its paths are kept.
    """
    chosen, stands = np.arange(payer.size), None
    if sample is not None:
        chosen, stands = sample
        start, end = np.searchsorted(rows, chosen), np.searchsorted(rows, chosen, side="right")
        size = end - start
        kept = np.repeat(end - np.cumsum(size), size) + np.arange(size.sum())
        rows, columns, first = np.repeat(np.arange(chosen.size), size), columns.take(kept), first.take(kept)
        payer = payer.take(chosen)
    span = span_of(obligors, dates)
    happened = np.array([rows.size])
    if span < dates:
        # Sorting numbers into which all is packed is faster than sorting, then picking, by one of them.
        at_column, at_row = int(dates).bit_length(), int(dates * obligors).bit_length() + 1
        at_span = at_row + int(payer.size).bit_length()
        code = (first // span) << at_span
        for part, at in ((rows, at_row), (columns, at_column), (first, 0)):
            code |= part << at
        code.sort()
        happened = np.searchsorted(code, np.arange(1, -(-dates // span) + 1) << at_span)
        first = code & ((1 << at_column) - 1)
        columns = code >> at_column & ((1 << at_row - at_column) - 1)
        rows = code >> at_row & ((1 << at_span - at_row) - 1)
    return Patterns(
        columns=columns,
        first=first,
        owner=rows,
        span=span,
        happened=happened,
        payer=payer,
        parent=np.zeros(payer.size, np.int64),
        active=np.full(dates, payer.size),
        weights=[np.ones(payer.size) if stands is None else stands] * dates,
        rows=chosen,
        index=np.arange(payer.size),
        stands=stands,
    )


def span_of(obligors: int, dates: int) -> int:
    """Dates whose defaults are added up together: a table of obligors, dates and dates has to stay small."""
    return max(1, min(dates, LARGEST_TABLE // (obligors * dates)))


def joined(parts: list[tuple[int, Patterns]]) -> Patterns:
    """Put paths of several blocks, each with its first path, one after the other; defaults are not kept."""
    patterns = [part for _, part in parts]
    first = patterns[0]
    if len(parts) == 1:
        return first
    weight = np.concatenate([p.weights[-1] for p in patterns])
    return replace(
        first,
        payer=np.concatenate([p.payer for p in patterns]),
        parent=np.zeros(weight.size, np.int64),
        active=np.full(first.active.size, weight.size),
        weights=[weight] * first.active.size,
        rows=np.concatenate([start + p.rows for start, p in parts]),
        index=np.arange(weight.size),
        stands=None if first.stands is None else weight,
    )


def _weights(weight: Array, parent: Ints, active: Ints) -> list[Array]:
    """Paths on which each pattern stands for what has happened, date by date."""
    out = []
    for count, before in zip(active[::-1].tolist(), [*active[-2::-1].tolist(), 1], strict=True):
        out.append(weight)
        weight = weight[:before] + np.bincount(parent[before:count], weight[before:count], before)
    return out[::-1]
