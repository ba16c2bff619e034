"""Stand-ins for the providers on this machine, with a phone for each channel: Parley without any account."""
