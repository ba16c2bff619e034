"""The `parley` command without a mesh."""
