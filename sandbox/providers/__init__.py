"""One file per provider: what it accepts, what it refuses, in its own words."""
