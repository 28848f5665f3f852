"""The write-ahead journal: events, guards, chain and projections, pure but for its Store port."""
