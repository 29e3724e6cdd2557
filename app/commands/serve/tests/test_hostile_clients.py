"""Hostile requests and malformed HTTP, sent to a running service."""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPException, HTTPResponse
from typing import IO, Any, cast
from urllib.parse import urlsplit

import httpx
import pytest

from app.api.tests.answers import Answer, complaint
from app.api.tests.hostile.features import known
from app.api.tests.hostile.features import things as all_things
from app.api.tests.hostile.parts import PARTS
from app.api.tests.hostile.requests import JSON, MARK, Hostile, making, with_things
from app.api.tests.operations import collections
from app.commands.serve.tests.broken_http import BROKEN
from app.commands.tests.launcher import launched
from app.conftest import API
from app.core.http.tests.document import PROBLEM
from app.identity.tests.callers import ADMIN

pytestmark = pytest.mark.slow

CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""Characters that the server refuses in any header."""


class Connection:
    """A connection to the service that sends any bytes."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).hostname, urlsplit(url).port

    def __enter__(self) -> "Connection":
        self._socket = socket.create_connection(self._address, 20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        # One reader for all responses, because a reader reads ahead.
        self._reader = self._socket.makefile("rb")
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._socket.close()

    def renew(self) -> None:
        """Disconnect, and connect again."""
        self.__exit__()
        self.__enter__()

    def makefile(self, mode: str) -> IO[bytes]:
        """Return the reader for the response's parser."""
        return cast(IO[bytes], _LeftOpen(self._reader))

    def send(self, *pieces: bytes) -> None:
        """Send the bytes until the service closes the connection."""
        try:
            for piece in pieces:
                self._socket.sendall(piece)
        except OSError:
            pass  # the response is checked instead

    def answer(self, method: str) -> Answer:
        """Read the next response."""
        response = HTTPResponse(cast(socket.socket, self), method=method)
        response.begin()
        return Answer(response.status, response.getheaders(), response.read())


class _LeftOpen:
    """A file that stays open when its reader closes it."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        pass


def written(request: Hostile) -> Iterator[bytes]:
    """Yield the bytes of a request in pieces."""
    head = [f"{request.method} {request.target} HTTP/1.1".encode()]
    head += [name + b": " + value for name, value in request.raw_headers()]
    yield b"\r\n".join([*head, b"", b""])
    if not request.chunked:
        yield request.body
        return
    for begin in range(0, len(request.body), 2**16):
        piece = request.body[begin : begin + 2**16]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def create_things(api: httpx.Client, document: Any) -> dict[str, str]:
    """Create the rows that the placeholders refer to; return values by placeholder."""
    things = known()
    for thing in all_things():
        request = making(thing, things)
        made = api.request(thing.method, request.target, content=request.body, headers=[JSON])
        things[thing.placeholder] = made.json()["id"]
    following = api.get(f"{next(collections(document)).target}?limit=1").json()["next"]
    return {**things, "<cursor>": following.rpartition("cursor=")[2]}


def complaints_about_requests(url: str, things: dict[str, str], document: Any) -> Iterator[str]:
    """Send all hostile requests in sequence, over one connection while it stays open."""
    requests = (template.filled(things) for part in PARTS.values() for template in part(document))
    with Connection(url) as connection:
        for request in requests:
            connection.send(*written(request))
            try:
                answer = connection.answer(request.method)
            except (OSError, HTTPException) as error:
                yield f"{request.name}: {error!r}"
                connection.renew()
                continue
            if any(CONTROL.search(value) for _, value in request.raw_headers()):
                request = replace(request, answers=frozenset({400}))
            if what := complaint(request, answer, by_server=True):
                yield f"{request.name}: {what}"
            if "close" in answer.header("connection"):
                connection.renew()


def complaints_about_broken_http(url: str) -> Iterator[str]:
    """Send each malformed request over its own connection; yield wrong responses."""
    for name, (sent, statuses) in BROKEN.items():
        with Connection(url) as connection:
            connection.send(sent)
            if statuses is None:
                continue
            method = sent.partition(b" ")[0].decode("latin-1")
            try:
                answers = [connection.answer(method) for _ in statuses]
            except (OSError, HTTPException) as error:
                yield f"{name}: {error!r}"
                continue
        if tuple(answer.status for answer in answers) != statuses:
            yield f"{name}: {answers}, not {statuses}"
        for answer in answers:
            ours = answer.header("content-type") == PROBLEM and answer.header("x-request-id")
            if (answer.status >= 400 and not ours) or MARK.encode() in answer.body:
                yield f"{name}: {answer}"


def test_hostile_requests_are_answered_and_not_repeated_in_the_log(own_database: str) -> None:
    with launched("run", "--port=0", DATABASE_URL=own_database) as launcher:
        url = launcher.url
        launcher.read_on()
        with httpx.Client(base_url=url, headers=ADMIN.headers, trust_env=False) as api:
            document = api.get("/openapi.json").json()
            things = create_things(api, document)

            complaints = [
                *complaints_about_requests(url, things, document),
                *complaints_about_broken_http(url),
            ]

            assert complaints == []
            assert api.get("/health/ready").status_code == 200
            for home in filter(None, (thing.home for thing in all_things())):
                assert api.get(f"{API}/{with_things(home, things)}").status_code == 200
    assert launcher.process.returncode == 0
    assert "Traceback" not in launcher.output
    assert MARK not in launcher.output.lower()
    assert '"level":"error"' not in launcher.output
