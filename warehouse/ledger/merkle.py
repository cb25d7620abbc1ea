"""The Merkle tree of RFC 6962: SHA-256, leaves hashed after 0x00, nodes after 0x01.

A tree over n leaves splits at the largest power of two below n. Proofs are lists of hashes, from the leaf
towards the root, as RFC 6962 section 2.1 builds them; they are verified as RFC 9162 section 2.1 says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

HASH_BYTES = 32
EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Hash of an entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of a node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """Roots and proofs over leaf hashes; every whole subtree is hashed once."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.levels = [list(leaves)]
        while len(below := self.levels[-1]) > 1:
            pairs = zip(below[::2], below[1::2], strict=False)
            self.levels.append([node_hash(left, right) for left, right in pairs])

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self.levels[0])

    def root(self, size: int | None = None) -> bytes:
        """Root of the first `size` leaves, or of all."""
        last = self.size if size is None else size
        self._within(last)
        return self._hash(0, last) if last else EMPTY

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Proof that leaf `index` is in the tree of the first `size`; raises ValueError where it is not."""
        last = self.size if size is None else size
        self._within(last)
        if not 0 <= index < last:
            raise ValueError(f"entry {index} is not in a log of {last}")
        proof: list[bytes] = []
        first = 0
        while last - first > 1:
            middle = first + _split(last - first)
            if index < middle:
                proof.append(self._hash(middle, last))
                last = middle
            else:
                proof.append(self._hash(first, middle))
                first = middle
        return proof[::-1]

    def consistency(self, old: int, size: int | None = None) -> list[bytes]:
        """Proof that the first `size` leaves extend the first `old`; [] where `old` is 0 or `size`."""
        last = self.size if size is None else size
        self._within(last)
        if not 0 <= old <= last:
            raise ValueError(f"a log of {last} does not extend one of {old}")
        if old in (0, last):
            return []
        proof: list[bytes] = []
        first, whole = 0, True
        while old != last:
            middle = first + _split(last - first)
            if old <= middle:
                proof.append(self._hash(middle, last))
                last = middle
            else:
                proof.append(self._hash(first, middle))
                first, whole = middle, False
        if not whole:
            proof.append(self._hash(first, last))
        return proof[::-1]

    def _within(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise ValueError(f"a log of {self.size} holds no {size} entries")

    def _hash(self, first: int, last: int) -> bytes:
        width = last - first
        level = width.bit_length() - 1
        if width == 1 << level:
            return self.levels[level][first >> level]
        middle = first + _split(width)
        return node_hash(self._hash(first, middle), self._hash(middle, last))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from a leaf's hash to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf
    for step in proof:
        if not last:
            return False
        if node & 1 or node == last:
            found = node_hash(step, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, step)
        node, last = node >> 1, last >> 1
    return not last and found == root


def verify_consistency(old: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the newer tree extends the older (RFC 9162, 2.1.4.2)."""
    if old > size or old < 0:
        return False
    if old in (0, size):
        return not proof and old_root == (root if old == size else EMPTY)
    steps = list(proof) if old & (old - 1) else [old_root, *proof]
    if not steps:
        return False
    node, last = old - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if not last:
            return False
        if node & 1 or node == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, step)
        node, last = node >> 1, last >> 1
    return not last and before == old_root and after == root


def _split(width: int) -> int:
    return 1 << ((width - 1).bit_length() - 1)
