"""The `parley` command: run the mesh, look into it, talk to it."""
