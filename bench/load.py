"""Load on a server from wrk, which uses less processor time than the server."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SCRIPT = Path(__file__).with_name("wrk.lua")
CONNECTIONS = 16
PATIENCE = 60.0
"""Seconds that wrk may take in addition to the measured time."""


class NotLoaded(Exception):
    """The load could not be generated."""


@dataclass(frozen=True)
class Request:
    """An HTTP request."""

    method: str
    path: str
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()

    def text(self, host: str, caller: Mapping[str, str]) -> str:
        """Return it in HTTP/1.1 format, with the headers of a caller."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in (*caller.items(), *self.headers)]
        content = ""
        if self.body is not None:
            content = json.dumps(self.body)
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        return "\r\n".join([*lines, "", content])


@dataclass(frozen=True)
class Measured:
    """The result of a load; ``p50`` and ``p99`` are latencies in milliseconds."""

    requests: int
    seconds: float
    refused: int
    """Responses with a status code of 400 or more."""
    broken: int
    """Requests that got no response."""
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    def require_answers(self, what: str) -> None:
        """Exit with an error unless each request got a response that is not an error."""
        if self.refused or self.broken:
            sys.exit(
                f"error: {what}: {self.refused} requests got an error response,"
                f" and {self.broken} got none"
            )


def require_wrk() -> None:
    """Exit with an error unless wrk is installed."""
    if shutil.which("wrk") is None:
        sys.exit("error: bench needs wrk; on Debian: apt install wrk, on macOS: brew install wrk")


def load(
    url: str,
    requests: Sequence[Request],
    seconds: float,
    caller: Mapping[str, str],
    connections: int = CONNECTIONS,
) -> Measured:
    """Send the requests of a caller in a loop, over ``connections`` connections."""
    host = urlsplit(url).netloc
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\0".join(request.text(host, caller) for request in requests))
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout=30s"]
        done = subprocess.run(  # noqa: S603
            [*command, "-s", str(SCRIPT), url, "--", file.name],
            capture_output=True,
            text=True,
            timeout=seconds + PATIENCE,
            check=False,
        )
    result = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if not result:
        raise NotLoaded(f"wrk failed: {done.stdout}{done.stderr}")
    return Measured(**json.loads(result[1]))
