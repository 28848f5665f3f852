"""The router: where the next payment goes, and why."""
