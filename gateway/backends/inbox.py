"""How do messages reach storage? In frames: one under way, what arrives meanwhile is the next."""

from collections.abc import Sequence
from datetime import timedelta

import grpc

from gateway.backends.failures import why
from kit import errors
from kit.frames import Breath, Frames
from parley.storage.v1 import inbox_service_pb2, inbox_service_pb2_grpc

Submission = inbox_service_pb2.Submission
SubmissionResult = inbox_service_pb2.SubmissionResult

MOST_ITEMS = 256
BREATH = Breath(0.01, after=8)  # a webhook waits for it, so it is short, and only taken when many come


class Inbox:
    """InboxService.Accept, seen by one webhook."""

    def __init__(self, channel: grpc.aio.Channel, *, timeout: timedelta) -> None:
        self._stub = inbox_service_pb2_grpc.InboxServiceStub(channel)
        self._timeout = timeout.total_seconds()
        self._frames: Frames[Submission, SubmissionResult] = Frames(
            self._accept, most=MOST_ITEMS, breath=BREATH, name="accept", weigh=Submission.ByteSize
        )

    async def accept(self, submission: Submission) -> SubmissionResult:
        """Returns when the submission is durable; raises why it is not."""
        return await self._frames.put(submission)

    async def close(self) -> None:
        """Sends what waits."""
        await self._frames.close()

    async def _accept(self, frame: list[Submission]) -> Sequence[SubmissionResult | Exception]:
        request = inbox_service_pb2.AcceptRequest(submissions=frame)
        try:
            # Waits for a storage that restarts: most providers never repeat a webhook that was answered 503.
            response = await self._stub.Accept(request, timeout=self._timeout, wait_for_ready=True)
        except grpc.aio.AioRpcError as failure:
            return await self._failed(frame, why(failure))
        return [_result(result) for result in response.results]

    async def _failed(
        self, frame: list[Submission], error: errors.ParleyError
    ) -> Sequence[SubmissionResult | Exception]:
        """One submission that breaks the contract must not take its neighbours with it."""
        if not isinstance(error, errors.InvalidField) or len(frame) == 1:
            return [error] * len(frame)
        return [each for submission in frame for each in await self._accept([submission])]


def _result(result: SubmissionResult) -> SubmissionResult | Exception:
    return errors.from_item(result.error) if result.HasField("error") else result
