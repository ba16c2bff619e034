"""How does Parley name things? UUIDv7: unique everywhere, and sorted by the time of their making."""

import uuid_utils


def new_id() -> str:
    """A fresh id."""
    return str(uuid_utils.uuid7())
