"""Whether everybody gets in: right after the ready line, and thousands at once."""

import asyncio
import resource
import tempfile
from collections import Counter
from urllib.parse import urlsplit

from app.commands.progress import progress
from app.commands.service import running_service
from bench.database import Sample, filled_database
from bench.operations import ATHLETES
from bench.results import Target

WORKERS = 4
STARTS = 3
AT_THE_START = 200
AT_ONCE = 3_000
PATIENCE = 60.0


def connections() -> list[Target]:
    """Connect in the moment of the ready line, some times; then with thousands at once."""
    _allow_files(2 * AT_ONCE)
    early: Counter[str] = Counter()
    with progress("connections") as show, filled_database(1_000) as (_, sample):
        for start in range(STARTS):
            show(start / STARTS, f"start {start + 1}")
            with (
                tempfile.TemporaryFile("a+") as log,
                running_service(log, f"--workers={WORKERS}") as service,
            ):
                early += asyncio.run(_answers(service.url, sample, AT_THE_START))
                if start == STARTS - 1:
                    crowd = asyncio.run(_answers(service.url, sample, AT_ONCE))
    print(f"at the ready line: {dict(early)}; {AT_ONCE:,} at once: {dict(crowd)}")
    refused = sum(number for answer, number in early.items() if answer != "200")
    missing = sum(number for answer, number in crowd.items() if answer != "200")
    return [
        Target(f"not answered at the ready line, {WORKERS} workers", refused, "most", 0, 0),
        Target(f"of {AT_ONCE:,} connections at once, not 200", missing, "most", 0, 0),
    ]


async def _answers(url: str, sample: Sample, number: int) -> Counter[str]:
    """Ask for so many athletes, each over a connection of its own; count what is answered."""
    ids = (str(sample.athlete_ids[index % len(sample.athlete_ids)]) for index in range(number))
    host, port = urlsplit(url).netloc.split(":")
    async with asyncio.timeout(PATIENCE):
        return Counter(await asyncio.gather(*(_answer(host, int(port), row_id) for row_id in ids)))


async def _answer(host: str, port: int, row_id: str) -> str:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return type(error).__name__
    try:
        request = f"GET {ATHLETES}/{row_id} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        answer = await reader.read()
        return answer.split(b" ", 2)[1].decode() if answer else "nothing"
    except OSError as error:
        return type(error).__name__
    finally:
        writer.close()


def _allow_files(number: int) -> None:
    """Let this process and the service have so many connections."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, most), most))
