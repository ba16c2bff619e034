"""Clients in other languages, which know nothing of us but proto/."""
