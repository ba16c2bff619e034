"""What a message costs, as ratios that anyone can run again: `make bench`."""
