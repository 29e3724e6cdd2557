"""Where athletes are brought to and taken from: the local database, or a running service."""

import csv
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from io import BytesIO, StringIO
from typing import Any, Literal, Protocol, TypeVar

import httpx

from app.athletes.files.exporting import exported_athletes
from app.athletes.files.importing import Storage
from app.athletes.files.reading import Entry
from app.athletes.files.report import Counts, ImportReport, Outcome, Rejection
from app.athletes.files.storing import AthletesStorage
from app.categories.crud import CategoriesCRUD
from app.centres.crud import CentresCRUD
from app.commands.database import migrate_to_head, service_database
from app.commands.signals import run_until_stopped
from app.core.crud import CRUD
from app.core.csv_files import read_rows
from app.core.database import Database
from app.core.errors import PROBLEM_MEDIA_TYPE, AlreadyTaken, DomainError, Unavailable
from app.core.pool import connected
from app.core.settings import get_settings
from app.core.tables import Payload

PATIENCE = 60.0
"""Seconds that a service may take for an answer."""
LAST_PORT = 65535

Result = TypeVar("Result")

Collection = Literal["categories", "centres"]


class Target(Protocol):
    """Where athletes are brought to and taken from; raises ``Unavailable`` if it fails."""

    async def ensure(self, collection: Collection, payload: Payload) -> None:
        """Create a category or a centre, unless there is one of that name."""

    def storage(self, header: Sequence[str]) -> Storage:
        """Return what stores the rows of a file with this header."""

    def export(self) -> AsyncIterator[bytes]:
        """Write all athletes as CSV, in pieces."""


class LocalDatabase:
    """The database of this machine's settings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure(self, collection: Collection, payload: Payload) -> None:
        """Create a category or a centre, unless there is one of that name."""
        cruds: dict[Collection, type[CRUD[Any, Any]]] = {
            "categories": CategoriesCRUD,
            "centres": CentresCRUD,
        }
        with suppress(AlreadyTaken):
            await cruds[collection](self._database).create(payload)

    def storage(self, header: Sequence[str]) -> Storage:
        """Return what stores the rows of a file with this header."""
        return AthletesStorage(self._database)

    def export(self) -> AsyncIterator[bytes]:
        """Write all athletes as CSV, in pieces."""
        return exported_athletes(self._database)


class RunningService:
    """A service, which is spoken to over HTTP."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def ensure(self, collection: Collection, payload: Payload) -> None:
        """Create a category or a centre, unless there is one of that name."""
        body = payload.model_dump_json().encode()
        async with self._answer("POST", collection, body, "application/json") as response:
            if response.status_code != httpx.codes.CONFLICT:
                await _check(response, "application/json")

    def storage(self, header: Sequence[str]) -> Storage:
        """Return what stores the rows of a file with this header."""
        return RemoteStorage(self, header)

    async def import_csv(self, file: bytes) -> ImportReport:
        """Let the service import a file."""
        async with self._answer("POST", "athletes/import", file, "text/csv") as response:
            await _check(response, "application/json")
            return ImportReport.model_validate_json(await response.aread())

    async def export(self) -> AsyncIterator[bytes]:
        """Write all athletes as CSV, in pieces."""
        async with self._answer("GET", "athletes/export") as response:
            await _check(response, "text/csv")
            async for piece in response.aiter_bytes():
                yield piece

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, body: bytes = b"", content_type: str = ""
    ) -> AsyncIterator[httpx.Response]:
        """Send a request and give its answer, the body of which is still to come."""
        headers = {"Content-Type": content_type} if content_type else {}
        try:
            async with self._client.stream(method, path, content=body, headers=headers) as response:
                yield response
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise Unavailable(f"{self._client.base_url} does not answer: {why}.") from None


async def _check(response: httpx.Response, media_type: str) -> None:
    """Raise ``Unavailable``, in the service's own words if there are any, unless all is well."""
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if response.is_success and kind == media_type:
        return
    why = "It is no such service."
    if kind == PROBLEM_MEDIA_TYPE:
        await response.aread()
        why = response.json()["detail"]
    raise Unavailable(f"{response.url} answered {response.status_code}. {why}")


class RemoteStorage:
    """Sends the rows of a file, some at a time, so that each rejected one is reported."""

    def __init__(self, service: RunningService, header: Sequence[str]) -> None:
        self._service = service
        self._header = header

    async def store(self, entries: Sequence[Entry]) -> Outcome:
        """Send some rows, as a file of their own."""
        text = StringIO()
        csv.writer(text).writerows([self._header, *(entry.row.cells for entry in entries)])
        file = text.getvalue().encode()
        report = await self._service.import_csv(file)
        _header, *sent = read_rows(BytesIO(file))
        row_at = {row.line: entry.row for row, entry in zip(sent, entries, strict=True)}
        counts = Counts.model_validate(report.model_dump(include=set(Counts.model_fields)))
        rejections = [Rejection(row_at[one.line], one.reason) for one in report.rejections]
        return Outcome(counts, rejections)


def on_target(url: str | None, work: Callable[[Target], Awaitable[Result]]) -> Result:
    """Do some work on the service at a URL, or on the local database; a failure is one line."""
    try:
        if url is not None:
            return run_until_stopped(_on_service(url, work))
        with service_database():
            migrate_to_head()
            return run_until_stopped(_on_database(work))
    except DomainError as error:
        sys.exit(f"error: {error.detail}")


async def _on_database(work: Callable[[Target], Awaitable[Result]]) -> Result:
    # No client waits for a command's answer, and a service may be busy beside it.
    limits = dict.fromkeys(("db_statement_timeout", "db_lock_timeout", "db_command_timeout"), 60.0)
    async with connected(get_settings().model_copy(update=limits), size=1) as database:
        return await work(LocalDatabase(database))


async def _on_service(url: str, work: Callable[[Target], Awaitable[Result]]) -> Result:
    try:
        api = httpx.URL(url)
    except httpx.InvalidURL:
        api = httpx.URL("")
    if api.scheme not in {"http", "https"} or not api.host or (api.port or 0) > LAST_PORT:
        raise Unavailable(f"{url} is no URL of a service.")
    if not api.path.strip("/"):  # with a path it is the URL of the API itself
        api = api.copy_with(path=get_settings().api_v1_prefix)
    async with httpx.AsyncClient(base_url=api, timeout=PATIENCE) as client:
        return await work(RunningService(client))
