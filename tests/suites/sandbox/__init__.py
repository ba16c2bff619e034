"""The sandbox over real HTTP, asked by the official clients."""
