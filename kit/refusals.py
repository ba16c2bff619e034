"""Whose credential was refused? That of the call itself, or the one that we have in the mesh, by a service behind us.

A caller who is told that its own is bad throws a good one away. Who refuses a call for its credential says so in the
error; without that, as of an API key that was only asked about, it is somebody else's.
"""

from itertools import count

from kit import logs
from kit.errors import CredentialMissing, ParleyError, Unreachable

CREDENTIAL, OF_THE_CALL = "credential", "call"
OURS = "A service behind this one refuses its credential, not yours; ask again later."
FIX = "give all services the same MESH_TOKEN, or certificates of one CA"
_refusals = count(1)  # in a mesh with two tokens each call meets one


def told(error: CredentialMissing, service: str, *, at_the_door: bool) -> ParleyError:
    """What the caller hears of it. At the door nobody but the caller's own credential was looked at yet."""
    if error.metadata.get(CREDENTIAL) == OF_THE_CALL:
        if logs.is_worth_a_line(failures := next(_refusals)):
            logs.get(service).error("mesh.refuses_us", failures=failures, fix=FIX)
        return Unreachable(OURS)
    if at_the_door:
        return CredentialMissing(error.message, metadata={**error.metadata, CREDENTIAL: OF_THE_CALL})
    return error
