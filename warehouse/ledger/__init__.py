"""The log of settlements: append-only, a Merkle tree in the C2SP form, that a counterparty verifies alone.

merkle    hashes, roots, proofs of inclusion and consistency (RFC 6962)
note      keys, signed notes, checkpoints, cosignatures (c2sp.org/signed-note, tlog-checkpoint)
tiles     the tree as files (c2sp.org/tlog-tiles)
entries   what an entry says: a salted commitment
folder    an export: written, and read back with everything that does not fit named
"""
