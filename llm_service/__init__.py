"""How to ask a model: one contract in front of any model server."""
