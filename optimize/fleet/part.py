"""A part of a fleet's cars in one process: their iterate, the sweeps over it and the sums they add up to."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from optimize.fleet.arrays import FleetArrays
from optimize.fleet.bound import bound_cars
from optimize.fleet.compile import compile_fleet
from optimize.fleet.coupling import Coupling
from optimize.fleet.expansion import expansion
from optimize.fleet.layout import FloatArray
from optimize.fleet.passes import (
    BY_BOTH,
    BY_X,
    BY_Z,
    CENTRE,
    COMPLEMENTARITY,
    CORRECT,
    FINISH,
    INFEASIBLE,
    PREDICT,
    STATISTICS,
    TAKEN,
    sweep,
)
from optimize.fleet.start import empty_iterate, start_cars


class Part:
    """Cars of `arrays`, coupled to others by the rows of `coupling`; every sum is over its cars alone."""

    def __init__(self, arrays: FleetArrays, coupling: Coupling, mu: float, threads: int) -> None:
        self.compiled = compile_fleet(arrays)
        self.fleet = self.compiled.fleet
        self.shares = expansion(arrays, self.compiled, coupling)
        # Of many groups few may have any row: the others are passed over.
        chunks_of = self._chunks()
        self.coupled = [
            (g, share, share.expand.T.tocsr(), chunks_of[g])
            for g, share in enumerate(self.shares)
            if share.rows.size
        ]
        self.rows = coupling.rows
        self.iterate = empty_iterate(self.compiled)
        self.pool = ThreadPoolExecutor(threads)
        self.threads = threads
        chunks, L = self.fleet.chunk_start.size - 1, self.compiled.rows
        # Whoever only asks for a bound never needs the Schur complements of all chunks.
        self.S = np.zeros((chunks, 0, 0))
        self.one, self.two = np.zeros((chunks, L)), np.zeros((chunks, L))
        self.statistics = np.zeros((chunks, STATISTICS))
        self._share(lambda begin, end: start_cars(self.fleet, self.iterate, mu, begin, end))

    @property
    def pairs(self) -> int:
        """Number of inequalities."""
        return int(self.iterate.slack.size)

    def count_pairs(self) -> int:
        """`pairs`, for callers that can only call."""
        return self.pairs

    def predict(
        self, y: FloatArray, direction_x: float, direction_z: float, smu: float
    ) -> tuple[FloatArray, FloatArray, FloatArray, float, float]:
        """Take a step; Schur complement, predictor outputs, present outputs, Σ s·z, largest residual."""
        if self.rows and not self.S.size:
            L = self.compiled.rows
            self.S = np.zeros((self.S.shape[0], L, L))
        self._sweep(PREDICT, y, direction_x, direction_z, smu)
        complementarity = float(self.statistics[:, COMPLEMENTARITY].sum())
        infeasible = float(self.statistics[:, INFEASIBLE].max(initial=0.0))
        return self._schur(), self._summed(self.one), self._summed(self.two), complementarity, infeasible

    def centre(self, y: FloatArray, mu: float) -> int:
        """Let every car alone find its central point for μ at fixed prices; the most iterations it took."""
        self._sweep(CENTRE, y, mu=mu)
        return int(self.statistics[:, TAKEN].max(initial=0.0))

    def correct(self, y: FloatArray, mu: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Outputs of a unit of centring and of the second order; Σ Δs·z, Σ s·Δz, Σ Δs·Δz; the reaches."""
        self._sweep(CORRECT, y, mu=mu)
        sums = self.statistics[:, [BY_X, BY_Z, BY_BOTH]].sum(axis=0)
        return self._summed(self.one), self._summed(self.two), sums, self._reaches()

    def finish(self, y: FloatArray, smu: float) -> FloatArray:
        """Find the direction; the reaches."""
        self._sweep(FINISH, y, mu=smu)
        return self._reaches()

    def bound(self, y: FloatArray) -> float:
        """The least that the cars can cost at prices y, €."""
        return float(self.least(y).sum())

    def least(self, y: FloatArray) -> FloatArray:
        """The least that each car can cost at prices y, [n] €."""
        least, price = np.zeros(self.fleet.capacity.size), self._local(y)
        self._share(lambda begin, end: bound_cars(self.fleet, self.iterate, price, least, begin, end))
        return least

    def point(self) -> tuple[FloatArray, FloatArray]:
        """x and ν of the iterate."""
        return self.iterate.x, self.iterate.nu

    def _share(self, work: Callable[[int, int], None]) -> None:
        """Run work(begin, end) over all chunks, the threads sharing them."""
        chunks = self.statistics.shape[0]
        share = max(1, -(-chunks // self.threads))
        list(self.pool.map(lambda begin: work(begin, min(begin + share, chunks)), range(0, chunks, share)))

    def _sweep(
        self, mode: int, y: FloatArray, direction_x: float = 0.0, direction_z: float = 0.0, mu: float = 0.0
    ) -> None:
        price = self._local(y)
        self._share(
            lambda begin, end: sweep(
                self.fleet,
                self.iterate,
                mode,
                price,
                direction_x,
                direction_z,
                mu,
                self.S,
                self.one,
                self.two,
                self.statistics,
                begin,
                end,
            )
        )

    def _reaches(self) -> FloatArray:
        """The longest steps of x and of z that each car with slots at a plug can take [2, cars]."""
        plugged = np.diff(self.fleet.step_start) > 0
        return np.array([self.iterate.reach_x[plugged], self.iterate.reach_z[plugged]])

    def _local(self, y: FloatArray) -> FloatArray:
        """Prices spread over each group's local rows [groups, L]."""
        local = np.zeros((len(self.shares), self.compiled.rows))
        for g, share, back, _ in self.coupled:
            local[g] = back @ y[share.rows]
        return local

    def _summed(self, per_chunk: FloatArray) -> FloatArray:
        """Chunk outputs [chunks, L] added up in order, into the coupling's rows."""
        total = np.zeros(self.rows)
        for _, share, _, chunks in self.coupled:
            total[share.rows] += share.expand @ per_chunk[chunks].sum(axis=0)
        return total

    def _schur(self) -> FloatArray:
        total = np.zeros((self.rows, self.rows))
        for _, share, _, chunks in self.coupled:
            S = self.S[chunks.start].copy()
            for chunk in range(chunks.start + 1, chunks.stop):
                S += self.S[chunk]
            S = S + S.T - np.diag(np.diag(S))
            total[np.ix_(share.rows, share.rows)] += (share.expand @ (share.expand @ S).T).T
        return total

    def _chunks(self) -> list[slice]:
        """Each group's chunks, which follow one another."""
        groups = np.arange(len(self.shares))
        first, end = (
            np.searchsorted(self.fleet.chunk_group, groups, side=side) for side in ("left", "right")
        )
        return [slice(a, b) for a, b in zip(first.tolist(), end.tolist(), strict=True)]
