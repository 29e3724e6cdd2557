"""A client for the API of a running service."""

import csv
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from io import BytesIO, StringIO
from typing import Any

import httpx

from app.athletes.files.importing import Result, Work
from app.athletes.files.options import ImportOptions
from app.athletes.files.reading import AthletesFile, Entry
from app.athletes.files.report import Counts, ImportReport, Outcome
from app.commands.token import Remote
from app.core.csv.dialect import Dialect
from app.core.csv.reader import read_rows
from app.core.csv.report import Rejection
from app.core.errors import PROBLEM_MEDIA_TYPE, Unavailable
from app.core.settings import get_settings

PATIENCE = 60.0
"""Timeout of a request in seconds."""
PATIENCE_OF_DRY_RUN = 3600.0
"""Timeout of a dry run: all rows are in one request, and nothing comes back before its end."""
LAST_PORT = 65535
LONGEST_PAGE = 100

Json = dict[str, Any]


class Service:
    """A client of a service; its methods raise ``Unavailable`` if a request fails."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def create(self, collection: str, fields: Json) -> Json | None:
        """Create a row and return it; return None if the response is 409."""
        async with self._answer("POST", collection, *_json_body(fields)) as response:
            if response.status_code == httpx.codes.CONFLICT:
                return None
            return await _json_of(response)

    async def act(self, path: str, fields: Json | None = None) -> Json:
        """``POST`` to the path of an action, such as a cancellation, and return the changed row."""
        body, kind = _json_body(fields)
        async with self._answer("POST", path, body, kind) as response:
            return await _json_of(response)

    async def put(self, path: str, fields: Json) -> Json:
        """Write a row at its path, and return it."""
        async with self._answer("PUT", path, *_json_body(fields)) as response:
            return await _json_of(response)

    async def items(self, collection: str, filters: Mapping[str, str]) -> list[Json]:
        """Return all items of a list, page by page."""
        items: list[Json] = []
        following = f"{collection}?{httpx.QueryParams({**filters, 'limit': LONGEST_PAGE})}"
        while following:
            async with self._answer("GET", following) as response:
                page = await _json_of(response)
            items += page["items"]
            following = page["next"] and str(self._client.base_url.join(page["next"]))
        return items

    async def import_csv(self, file: bytes, options: ImportOptions | None = None) -> ImportReport:
        """Import a CSV file in UTF-8 through the service."""
        path = "athletes/import"
        if options:
            # The encoding is that of the file on this machine, not of what is sent.
            query = options.model_dump(by_alias=True, exclude={"encoding"}, exclude_defaults=True)
            path += f"?{httpx.QueryParams(query)}"
        patience = PATIENCE_OF_DRY_RUN if options and options.dry_run else PATIENCE
        async with self._answer("POST", path, file, "text/csv", patience) as response:
            return ImportReport.model_validate(await _json_of(response))

    async def store(self, file: AthletesFile, options: ImportOptions, work: Work[Result]) -> Result:
        """Do some work with the storage for the rows of a file; a dry run stores nothing."""
        if options.dry_run:
            # A request does not see what another dry run would have stored.
            file.read_in_one_batch()
        return await work(RemoteStorage(self, file.columns.header, options))

    async def export(self) -> AsyncIterator[bytes]:
        """Yield all athletes as CSV, in chunks."""
        async with self._answer("GET", "athletes/export") as response:
            await _check(response, "text/csv")
            async for piece in response.aiter_bytes():
                yield piece

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "",
        patience: float = PATIENCE,
    ) -> AsyncIterator[httpx.Response]:
        """Send a request and yield its response before the body is read."""
        headers = {"Content-Type": content_type} if content_type else {}
        timeout = httpx.Timeout(PATIENCE, read=patience)
        try:
            async with self._client.stream(
                method, path, content=body, headers=headers, timeout=timeout
            ) as response:
                yield response
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise Unavailable(f"{self._client.base_url} does not answer: {why}.") from None


def _json_body(fields: Json | None) -> tuple[bytes, str]:
    """Return the body of a request and its media type; both are empty without fields."""
    return (b"", "") if fields is None else (json.dumps(fields).encode(), "application/json")


async def _json_of(response: httpx.Response) -> Json:
    await _check(response, "application/json")
    body: Json = json.loads(await response.aread())
    return body


async def _check(response: httpx.Response, media_type: str) -> None:
    """Raise ``Unavailable`` for an error response, with the ``detail`` of its problem document."""
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if response.is_success and kind == media_type:
        return
    why = "This is not the CrossFit API."
    if kind == PROBLEM_MEDIA_TYPE:
        await response.aread()
        why = response.json()["detail"]
    url = response.url.copy_with(query=None)
    raise Unavailable(f"{url} answered {response.status_code}. {why}")


class RemoteStorage:
    """Sends the rows of a file in batches small enough that each rejection is reported."""

    def __init__(self, service: Service, header: Sequence[str], options: ImportOptions) -> None:
        self._service = service
        self._header = header
        self._options = options

    async def store(self, entries: Sequence[Entry]) -> Outcome:
        """Send a batch of rows as a CSV file."""
        if not entries:
            return Outcome()
        text = StringIO()
        # Quoted titles, so that no separator within one can be taken for that of the file.
        csv.writer(text, quoting=csv.QUOTE_ALL).writerow(self._header)
        csv.writer(text).writerows(entry.row.cells for entry in entries)
        file = text.getvalue().encode()
        report = await self._service.import_csv(file, self._options)
        _header, *sent = read_rows(BytesIO(file), Dialect())
        row_at = {row.line: entry.row for row, entry in zip(sent, entries, strict=True)}
        counts = Counts.model_validate(report.model_dump(include=set(Counts.model_fields)))
        rejections = [Rejection(row_at[one.line], one.reason) for one in report.rejections]
        return Outcome(counts, rejections)


@asynccontextmanager
async def service_at(where: Remote) -> AsyncIterator[Service]:
    """Yield a client of a running service."""
    url = where.url
    try:
        api = httpx.URL(url)
    except httpx.InvalidURL:
        api = httpx.URL("")
    if api.scheme not in {"http", "https"} or not api.host or (api.port or 0) > LAST_PORT:
        raise Unavailable(
            f"{url} is not the URL of a service; give one like http://127.0.0.1:8000."
        )
    if not api.path.strip("/"):  # a URL with a path is that of the API itself
        api = api.copy_with(path=get_settings().api_v1_prefix)
    headers = {"Authorization": f"Bearer {where.token}"}
    async with httpx.AsyncClient(base_url=api, headers=headers, timeout=PATIENCE) as client:
        yield Service(client)
