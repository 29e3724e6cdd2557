"""The log of the service on standard error: readable lines on a terminal, else JSON.

No line contains a request's body, path or query; lines have route templates instead.
"""

import logging
import os
from contextlib import suppress
from typing import Any

import orjson
import structlog
from structlog.typing import Processor

from app.core.errors import RFC_3339

STANDARD_ERROR = 2


def configure_logs(*, on_terminal: bool) -> None:
    """Format all log lines in the same way, also those of libraries."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt=RFC_3339, utc=True),
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
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.WriteLogger(_Lines()),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # asyncpg logs a failed reconnect with its stack; app.core.db.transactions also logs it.
    logging.getLogger("asyncpg").setLevel(logging.ERROR)
    # The `uvicorn` command adds handlers to these loggers, and logs paths and addresses.
    for name, propagates in (("uvicorn", True), ("uvicorn.access", False)):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = propagates


def _json(event: dict[str, Any], **options: Any) -> str:
    return orjson.dumps(event, **options).decode()


class _Lines:
    """Standard error, one write per line; errors such as a closed pipe are ignored."""

    def write(self, line: str) -> None:
        with suppress(OSError):
            os.write(STANDARD_ERROR, line.encode())

    def flush(self) -> None:
        pass
