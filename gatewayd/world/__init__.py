"""The seeded world: the real engine and banks' dialects among people and disasters, on virtual time."""
