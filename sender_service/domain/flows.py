"""How is a channel's generator run? Each call that it yields is made, and what came of it is given back."""

from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar

from channels.channel import Answer, Call, DeliveryError

Given = TypeVar("Given")
Ask = Callable[[Call], Awaitable[Answer]]


async def run(flow: Generator[Call, Answer, Given], ask: Ask) -> Given:
    """What the channel makes of it. Raises what it raises; whatever happens, it is closed.

    A failed call is told to the channel, too: it may know how to find out, or another way.
    """
    try:
        call = next(flow)
        while True:
            answer = await _answer(call, ask)
            call = flow.send(answer) if isinstance(answer, Answer) else flow.throw(answer)
    except StopIteration as done:
        given: Given = done.value
        return given
    finally:
        flow.close()


async def _answer(call: Call, ask: Ask) -> Answer | DeliveryError:
    try:
        return await ask(call)
    except DeliveryError as failure:
        return failure
