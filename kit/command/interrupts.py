"""How does a command hear Ctrl-C? Also while it waits for nothing but an answer that may never come.

`asyncio.run` has Python's own handler run when the loop next wakes: a signal that comes between a look at the signals
and the wait for news, or to another thread, is not noticed until there is news. A handler of the loop's wakes it.
"""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import typer

Given = TypeVar("Given")


def run(work: Coroutine[Any, Any, Given]) -> Given:
    """What the work gives. Raises KeyboardInterrupt when it was ended by Ctrl-C."""
    interrupted = False

    async def listening() -> Given:
        task = asyncio.current_task()
        assert task

        def stop() -> None:
            nonlocal interrupted
            interrupted = True
            task.cancel()

        with suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop)
        return await work

    try:
        return asyncio.run(listening())
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise


@contextmanager
def asking() -> Iterator[None]:
    """While a person is asked the loop stands still, so Ctrl-C is Python's own to hear. Raises KeyboardInterrupt."""
    loops = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except typer.Abort:  # what a prompt makes of Ctrl-C and of Ctrl-D
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, loops)
