"""What does a failed call to storage mean for whoever stands at the door?"""

import grpc

from kit import errors


def why(failure: grpc.aio.AioRpcError) -> errors.ParleyError:
    """Storage that is gone and storage that is late are the same to a caller: nothing was accepted, come again."""
    error = errors.from_rpc(failure, unavailable=errors.StorageUnavailable)
    return errors.StorageUnavailable() if isinstance(error, errors.DeadlineExceeded) else error
