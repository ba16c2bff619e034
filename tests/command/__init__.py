"""The `parley` command with a running mesh."""
