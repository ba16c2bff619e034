"""What the gateway knows: whose webhook it is, whether it is taken, how much is too much."""
