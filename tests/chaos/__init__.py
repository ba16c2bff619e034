"""What does the mesh lose, double or turn around while its processes are killed under load? By the ledger: nothing."""
