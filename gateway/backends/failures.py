"""What does a failed call to storage mean for whoever stands at the door?"""

from itertools import count

import grpc

from kit import errors, logs
from kit.refusals import FIX

log = logs.get("gateway")
_refusals = count(1)  # in a mesh with two tokens each webhook meets one


def why(failure: grpc.aio.AioRpcError) -> errors.ParleyError:
    """Storage that is gone, that is late, and that refuses our own credential, are the same to a caller: nothing was
    accepted, come again. A caller who is told to show another would throw away a session that is good."""
    error = judged(failure)
    if isinstance(error, errors.CredentialMissing):
        if logs.is_worth_a_line(failures := next(_refusals)):
            log.error("mesh.refuses_us", failures=failures, fix=FIX)
        return errors.StorageUnavailable()
    return error


def judged(failure: grpc.aio.AioRpcError) -> errors.ParleyError:
    """The same where the caller's own credential was shown: storage judges it."""
    error = errors.from_rpc(failure, unavailable=errors.StorageUnavailable)
    return errors.StorageUnavailable() if isinstance(error, errors.DeadlineExceeded) else error
