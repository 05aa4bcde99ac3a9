"""The randomisation test: does a law stay the same when its samples are moved by an element?

If it does, moving each sample by a random power of the element changes nothing, so that the
difference between data and moved data must not stand out among those of randomly moved data. The
p-value is exact in finite samples. Source: Lehmann and Romano, Testing Statistical Hypotheses,
section 17.2.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincc, gammainccinv

Array = npt.NDArray[np.floating]

# Chance that an exact symmetry is refused, over all elements of the group.
FALSE_ALARM = 1e-3
# Where chance alone gives as much in so few audits, more samples are asked for.
SUSPICIOUS = 1e-2
# Samples are moved in at most so many blocks, whose members move together: still exact, and the
# cost of a draw does not grow with the samples.
BLOCKS = 128
# Changes below this, in units of the features, are round-off of single precision.
_ROUND_OFF = 1e-6
_TOGETHER = 500
_ENOUGH = 20
_COUNTABLE = 2**20


class LawTest(NamedTuple):
    """What the test of one element found.

    Attributes:
        asymmetry: squared difference of the mean features of the data and of the moved data, in
            units of its expectation under invariance, of the kind of features that stands out most
            (about 1 under invariance).
        p_value: chance of so large a difference under invariance.
        samples: how many there are.
        needed: how many could decide; 0 where these do.
        where: the kind of features that stands out most.

    """

    asymmetry: float
    p_value: float
    samples: int = 0
    needed: int = 0
    where: str = "the data"


def level(elements: int) -> float:
    """The p-value from which one of so many elements is refused."""
    return FALSE_ALARM / elements


def block_of(samples: int) -> npt.NDArray[np.intp]:
    """The block of each sample, ascending from 0."""
    blocks = min(samples, BLOCKS)
    return np.arange(samples) * blocks // samples


def in_blocks(features: Array) -> Array:
    """Sums of features, shape (..., sample, feature), over at most `BLOCKS` blocks of samples."""
    samples = features.shape[-2]
    starts = np.flatnonzero(np.diff(block_of(samples), prepend=-1))
    return np.asarray(np.add.reduceat(features, starts, axis=-2))


def randomisation_test(
    moved: Sequence[tuple[str, Array]], samples: int, elements: int, seed: int
) -> LawTest:
    """Test one element.

    Args:
        moved: name and values of each kind of features: sums over blocks of data that are moved by
            g^0, g^1, ... up to the order of g, shape (power, block, feature), in units of which 1
            is a large value of a single sample.
        samples: how many there are in all blocks.
        elements: how many elements are tested; the p-value is resolved accordingly.
        seed: of the randomisation.

    """
    changes, kinds = _changes(moved, samples)
    if not len(kinds):
        return LawTest(0.0, 1.0, samples)
    powers, blocks, _ = changes.shape
    rng = np.random.default_rng(seed)
    observed = _means(changes, np.zeros((1, blocks), dtype=int), kinds)[0]
    # Draws of their own calibrate, so that the statistic is the same function of all the others.
    pilot = _means(changes, rng.integers(powers, size=(_TOGETHER, blocks)), kinds)
    strongest, thresholds = _as_rare(observed, pilot)
    drawn = exceeding = 0
    # Stop as soon as enough moved data are as asymmetric (Besag and Clifford 1991): the p-value
    # of a symmetry that holds needs no precision.
    for choice in _arrangements(powers, blocks, int(2 * elements / FALSE_ALARM), rng):
        found = (_means(changes, choice, kinds) >= thresholds).any(axis=1)
        drawn += len(choice)
        exceeding += int(found.sum())
        if exceeding >= _ENOUGH:
            break
    p_value = (1 + exceeding) / (1 + drawn)
    names = [moved[place][0] for place in np.unique(kinds)]
    needed = _needed(p_value, powers, samples, elements)
    return LawTest(float(observed[strongest]), p_value, samples, needed, names[strongest])


def _needed(p_value: float, powers: int, samples: int, elements: int) -> int:
    """How many samples could decide; 0 if these do.

    n samples can be moved in powers^n ways, of which those that move all alike look the same: less
    than the level cannot be reached by few of them. A p-value that is suspicious, and not small
    enough, falls exponentially with the samples if the symmetry is broken.
    """
    if p_value <= level(elements):
        return 0
    fewest = 1 + math.ceil(-math.log(level(elements)) / math.log(powers))
    if samples < fewest:
        return fewest
    if p_value <= SUSPICIOUS / elements:
        return math.ceil(samples * math.log(level(elements)) / math.log(p_value))
    return 0


def _changes(
    moved: Sequence[tuple[str, Array]], samples: int
) -> tuple[Array, npt.NDArray[np.intp]]:
    """Changes of features by g after each power of it, and the place of the kind of each.

    The changes have the shape (power, block, feature). Those of a kind have the mean square 1 over
    what is drawn, all features alike; features that g does not change are left out. Many features
    of few blocks are replaced by as many combinations of them as there are changes, which leaves
    sums of squares alone.
    """
    parts, kinds = [], []
    for place, (_, values) in enumerate(moved):
        changes = np.roll(values, -1, axis=0) - values
        size = (changes**2).mean(axis=0).sum(axis=0)
        kept = size > samples * _ROUND_OFF**2
        if not kept.any():
            continue
        scaled = changes[:, :, kept] / np.sqrt(size[kept] * kept.sum())
        rows = scaled.reshape(-1, scaled.shape[2])
        if len(rows) < rows.shape[1]:
            scaled = np.linalg.qr(rows.T).R.T.reshape(*scaled.shape[:2], -1)
        parts.append(scaled)
        kinds.append(np.full(scaled.shape[2], place))
    if not parts:
        return np.zeros((len(moved[0][1]), 1, 0)), np.zeros(0, dtype=int)
    return np.concatenate(parts, axis=2), np.concatenate(kinds)


def _means(changes: Array, choice: npt.NDArray[np.integer], kinds: npt.NDArray[np.intp]) -> Array:
    """Squared sums of changes: sum over each kind, and mean of the kinds in the last place.

    The choice has the shape (draw, block), the result (draw, kind + 1).
    """
    powers, features = len(changes), changes.shape[2]
    if powers == 2:
        sums = (1.0 - 2.0 * choice) @ changes[0]
    else:
        one_hot = (choice[:, None, :] == np.arange(powers)[:, None]).astype(float)
        sums = one_hot.reshape(len(choice), -1) @ changes.reshape(-1, features)
    _, starts = np.unique(kinds, return_index=True)
    by_kind = np.add.reduceat(sums**2, starts, axis=1)
    return np.hstack([by_kind, by_kind.mean(axis=1, keepdims=True)])


def _as_rare(observed: Array, pilot: Array) -> tuple[int, Array]:
    """The kind that stands out most, and the mean of each kind that would stand out as much.

    How rare a mean is says the gamma law that fits the pilot. Half of the chance of a false alarm
    goes to all kinds together, which gathers what is spread out; the other half is shared by the
    kinds, so that what shows in one of them is not drowned.
    """
    centre, variance = pilot.mean(axis=0), np.maximum(pilot.var(axis=0), 1e-6)
    shape, scale = centre**2 / variance, variance / centre
    shares = np.full(len(centre), 1 / (len(centre) - 1))
    shares[-1] = 1.0
    chances = gammaincc(shape, observed / scale) / shares
    # Moving all samples alike gives the same mean but for round-off.
    rarest = max(chances.min(), 1e-290) * (1 + 1e-6)
    thresholds = gammainccinv(shape, np.minimum(rarest * shares, 1.0)) * scale
    return int(chances[:-1].argmin()), thresholds


def _arrangements(
    powers: int, blocks: int, draws: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.integer]]:
    """Random powers, shape (draw, block); different ones, without the identity, if they are few."""
    if blocks * math.log(powers) > math.log(_COUNTABLE):
        for _ in range(0, draws, _TOGETHER):
            yield rng.integers(powers, size=(_TOGETHER, blocks))
        return
    count = powers**blocks
    codes = 1 + rng.choice(count - 1, size=min(draws, count - 1), replace=False)
    for start in range(0, len(codes), _TOGETHER):
        yield codes[start : start + _TOGETHER, None] // powers ** np.arange(blocks) % powers
