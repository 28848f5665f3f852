"""Everything at once: banks, daemon, a shop, customers, a live table, an outage, and the final reckoning."""
