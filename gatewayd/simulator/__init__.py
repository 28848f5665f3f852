"""The banks themselves, for tests, demos and the seeded world: one dialect per driver, one book."""
