"""Weeks of a depot on a fake clock: `world` makes its files, `faults` spoil days, `life` looks and judges."""
