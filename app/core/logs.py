"""What the service writes on standard error: lines for people on a terminal, else JSON.

No line holds a value that somebody sent: neither bodies nor paths nor queries, but the templates of
routes.
"""

import asyncio
import atexit
import logging
import os
from collections import deque
from contextlib import suppress
from select import PIPE_BUF
from typing import Any

import orjson
import structlog
from structlog.typing import Processor

STANDARD_ERROR = 2


def configure_logs(*, on_terminal: bool) -> None:
    """Bring all that is logged into one form, that of libraries too."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Processor] = (
        # Not rich's tracebacks, which show the values of variables.
        [
            structlog.dev.ConsoleRenderer(
                sort_keys=False, exception_formatter=structlog.dev.plain_traceback
            )
        ]
        if on_terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_json)]
    )
    lines = _Lines()
    atexit.register(lines.flush)
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.WriteLogger(_LinesOfRequests(lines)),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    handler = logging.StreamHandler(lines)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # The driver's pool tells with a stack that it cannot reconnect; app.core.database tells it too.
    logging.getLogger("asyncpg").setLevel(logging.ERROR)
    # The command `uvicorn` gives these handlers of their own, and logs paths and addresses.
    for name, propagates in (("uvicorn", True), ("uvicorn.access", False)):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = propagates


def _json(event: dict[str, Any], **options: Any) -> str:
    return orjson.dumps(event, **options).decode()


class _Lines:
    """Standard error, in whole lines; a reader that is gone is no reason to fail.

    Lines of the same moment, between two turns of the event loop, are written together: writing is
    half of what a line costs.
    """

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()

    def write(self, line: str) -> None:
        self._waiting.append(line)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if len(self._waiting) == 1:
            loop.call_soon(self.flush)

    def flush(self) -> None:
        piece = b""
        while self._waiting:
            line = self._waiting.popleft().encode()
            # Longer ones could be torn by those of another process, where both write to one pipe.
            if piece and len(piece) + len(line) > PIPE_BUF:
                _write(piece)
                piece = b""
            piece += line
        if piece:
            _write(piece)


def _write(piece: bytes) -> None:
    with suppress(OSError):
        os.write(STANDARD_ERROR, piece)


class _LinesOfRequests:
    """What structlog writes to, which flushes after each line."""

    def __init__(self, lines: _Lines) -> None:
        self.write = lines.write

    def flush(self) -> None:
        pass
