"""The back door of the gateway: every call that it makes into the mesh."""
