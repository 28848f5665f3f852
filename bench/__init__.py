"""Measurements: what the daemon can bear, and what its routing is worth."""
