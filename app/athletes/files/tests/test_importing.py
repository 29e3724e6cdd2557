"""The resources of an import: the event loop, a thread, a temporary database, and a client."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
import httpx
import pytest

from app.athletes.files import reading, records
from app.athletes.files.importing import import_file
from app.athletes.files.reading import (
    CENTRES_IN_BATCH,
    LINES_IN_BATCH,
    ROWS_IN_BATCH,
    AthletesFile,
    Entry,
)
from app.athletes.files.report import Outcome
from app.athletes.files.tests.conftest import Import, post_and_leave, post_csv
from app.commands.data import transfer
from app.commands.database import database_url
from app.conftest import API, unavailable
from app.core.errors import Unavailable
from app.core.resources.text import name_key

HEADER = "reference,name,category\n"
NO_SPACE = "The service has run out of files, disk space or memory; try again."


def people(number: int) -> str:
    return HEADER + "".join(f"M-{one},Mara {one},Rx\n" for one in range(number))


class SlowFile(BytesIO):
    """A file of which only the first 128 KiB can be read until ``free`` is set."""

    def __init__(self, text: str) -> None:
        super().__init__(text.encode())
        self.free, self.reached = threading.Event(), threading.Event()
        self.waits = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= 2**17:
            self.reached.set()
            self.waits = True
            self.free.wait(5)
            self.waits = False
        return super().read(size)


class Storing:
    """A storage that fails, or never ends, once the next batch is being read."""

    def __init__(self, file: SlowFile, fails: bool) -> None:
        self._file, self._fails = file, fails

    async def store(self, entries: Sequence[Entry]) -> Outcome:
        await asyncio.to_thread(self._file.reached.wait, 5)
        if self._fails:
            raise Unavailable("No database.")
        return await asyncio.Future()


@pytest.mark.parametrize("fails", [True, False], ids=["an error", "a cancellation"])
async def test_an_import_that_ends_early_waits_for_its_thread_beside_the_event_loop(
    fails: bool,
) -> None:
    opened = SlowFile(HEADER + "".join(f"M-{one:0100},Mara,Rx\n" for one in range(5000)))
    opened.free.set()
    file = AthletesFile(opened)  # reads the file once to check it
    opened.free.clear()
    opened.reached.clear()

    running = asyncio.ensure_future(import_file(file, Storing(opened, fails)))
    await asyncio.to_thread(opened.reached.wait, 5)
    begin = time.monotonic()
    asyncio.get_running_loop().call_later(0.2, opened.free.set)
    if not fails:
        running.cancel()
    (error,) = await asyncio.gather(running, return_exceptions=True)

    assert isinstance(error, Unavailable if fails else asyncio.CancelledError)
    assert not opened.waits
    assert time.monotonic() - begin < 3  # 5 if the thread stops the event loop


def test_blank_lines_count_towards_a_batch() -> None:
    rows = people(2 * ROWS_IN_BATCH)
    file = AthletesFile(BytesIO(f"{rows}{4 * LINES_IN_BATCH * chr(10)}M-,Mara,Rx\n".encode()))

    sizes = [len(batch.entries) for batch in file.batches()]

    assert sizes == [ROWS_IN_BATCH, ROWS_IN_BATCH, 0, 0, 0, 1]


def test_centres_count_towards_a_batch() -> None:
    rows = [
        f"M-{one},Mara,Rx,{';'.join(f'Box {one} {other}' for other in range(50))}"
        for one in range(100)
    ]
    file = AthletesFile(BytesIO("\n".join(["reference,name,category,centres", *rows]).encode()))

    sizes = [len(batch.entries) for batch in file.batches()]

    assert [size * 50 for size in sizes] == [CENTRES_IN_BATCH, CENTRES_IN_BATCH, 1000]


def test_a_cell_with_too_many_names_is_rejected_before_all_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []

    def counted(name: str) -> str:
        read.append(name)
        return name_key(name)

    monkeypatch.setattr(records, "name_key", counted)
    cell = ";".join(f"Bóx {one}" for one in range(10_000))

    with pytest.raises(ValueError, match="centres has more than 50 names"):
        records.record_of({"name": "Mara", "category": "Rx", "centres": cell})

    assert len(read) == 51


class TestDatabaseOfUniqueValues:
    """The temporary database on disk."""

    @pytest.fixture(autouse=True)
    def opened(self, monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
        """Return the temporary databases of imports from now on."""
        opened: list[sqlite3.Connection] = []
        connect = sqlite3.connect

        def kept(*arguments: Any, **options: Any) -> sqlite3.Connection:
            opened.append(connect(*arguments, **options))
            return opened[-1]

        monkeypatch.setattr(sqlite3, "connect", kept)
        return opened

    async def test_it_is_closed_after_an_import(
        self, import_csv: Import, opened: list[sqlite3.Connection]
    ) -> None:
        await import_csv(people(1))
        assert [is_open(one) for one in opened] == [False]

    async def test_it_is_closed_after_an_error(self, opened: list[sqlite3.Connection]) -> None:
        class Failing:
            async def store(self, entries: Sequence[Entry]) -> NoReturn:
                raise Unavailable("No database.")

        with pytest.raises(Unavailable):
            await import_file(AthletesFile(BytesIO(people(3000).encode())), Failing())
        assert [is_open(one) for one in opened] == [False]

    def test_it_is_closed_if_the_command_cannot_write_rejected_rows(
        self,
        opened: list[sqlite3.Connection],
        own_database: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def full(rows: object, rejections: object) -> NoReturn:
            raise OSError("The disk is full.")

        monkeypatch.setattr(transfer.RejectedRows, "add", full)
        members = tmp_path / "members.csv"
        members.write_text(people(3000))
        with database_url(own_database), pytest.raises(SystemExit, match="The disk is full"):
            transfer.import_file(members, None, None)
        assert [is_open(one) for one in opened] == [False]

    async def test_it_has_a_maximum_size_beyond_which_an_import_is_503(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "SCRATCH_PER_BYTE", 0)
        rows = "".join(f"{number:0300},Mara,Rx\n" for number in range(400))

        assert unavailable(await post_csv(client, HEADER + rows)) == NO_SPACE
        assert (await client.get(f"{API}/athletes")).json()["items"] == []

    def test_its_maximum_size_is_enough_for_short_unique_values(
        self, opened: list[sqlite3.Connection]
    ) -> None:
        rows = "".join(f"{number:x},{number:x},{number:x}\n" for number in range(0x10000, 0x14000))
        file = AthletesFile(BytesIO(f"reference,email,national_id\n{rows}".encode()))

        read = sum(len(batch.rejections) for batch in file.batches())

        assert read == 0x4000

    def test_it_needs_four_times_the_space_of_the_file_at_most(
        self, opened: list[sqlite3.Connection]
    ) -> None:
        length = len(people(20_000))
        batches = AthletesFile(BytesIO(people(20_000).encode())).batches()
        next(batches)

        ((most,),) = opened[0].execute("PRAGMA max_page_count").fetchall()
        ((page,),) = opened[0].execute("PRAGMA page_size").fetchall()
        batches.close()

        assert most * page <= 4 * length + 2**16


def is_open(database: sqlite3.Connection) -> bool:
    with suppress(sqlite3.ProgrammingError):
        return database.total_changes >= 0
    return False


async def test_nothing_is_stored_for_a_client_that_leaves_before_its_import_begins(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    status, answer = await post_and_leave(client, people(1))

    assert (status, answer["detail"]) == (400, "The client disconnected.")
    assert await connection.fetchval("SELECT count(*) FROM athletes") == 0


async def test_an_import_that_has_begun_continues_without_its_client(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    status, report = await post_and_leave(client, people(2 * ROWS_IN_BATCH), checks=1)

    assert (status, report["created"]) == (200, 2 * ROWS_IN_BATCH)
    assert await connection.fetchval("SELECT count(*) FROM athletes") == 2 * ROWS_IN_BATCH
