"""How to say it: leases deliveries, calls providers, records what became of each call."""
