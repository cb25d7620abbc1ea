"""Fleets of any size: a block-arrow interior-point engine with a certificate."""
