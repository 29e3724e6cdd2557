"""Storing a file batch by batch, while a thread reads ahead."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from app.core.csv.report import RowsOutcome
from app.core.errors import Unavailable

Batch = TypeVar("Batch")
Outcome = TypeVar("Outcome", bound=RowsOutcome[Any])


async def stored_batches(
    batches: Generator[Batch], store: Callable[[Batch], Awaitable[Outcome]]
) -> AsyncGenerator[Outcome]:
    """Store the batches of a file, and yield the outcome of each once it is committed.

    Raise ``Unavailable`` if ``store`` does; the batches before stay committed. Close the generator
    before the file, unless it is exhausted.
    """
    done = 0
    # Reading takes CPU time. In a thread, the next batch is read while the database stores this
    # one, and the event loop stays free for other requests.
    thread = ThreadPoolExecutor(1)
    in_thread = partial(asyncio.get_running_loop().run_in_executor, thread)
    ahead = in_thread(next, batches, None)
    try:
        while batch := await ahead:
            ahead = in_thread(next, batches, None)
            try:
                outcome = await store(batch)
            except Unavailable as error:
                so_far = f" The first {done} rows are done; import the file again for the rest."
                raise Unavailable(f"{error.detail}{so_far if done else ''}") from None
            outcome.rejections.sort(key=lambda rejection: rejection.row.line)
            yield outcome
            done += outcome.counts.read
    finally:
        ahead.cancel()
        # After an error, the thread may still read a batch from the file, which its owner closes
        # next. So wait for it, but not as ``shutdown`` would, which stops the event loop.
        ended = in_thread(batches.close)
        thread.shutdown(wait=False)
        await asyncio.wait([ended])
