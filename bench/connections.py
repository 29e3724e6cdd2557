"""Whether all connections succeed: right after the ready line, and thousands at once."""

import asyncio
import resource
import tempfile
from collections import Counter
from urllib.parse import urlsplit

from app.commands.progress import progress
from app.commands.prove.service import running_service
from bench.database import Sample, filled_database
from bench.operations import ATHLETES
from bench.results import Target

WORKERS = 4
STARTS = 3
AT_THE_START = 200
AT_ONCE = 3_000
PATIENCE = 60.0


def connections() -> list[Target]:
    """Send requests right after the ready line of some starts, then thousands concurrently."""
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
    print(
        f"responses right after the ready line: {dict(early)};"
        f" on {AT_ONCE:,} concurrent connections: {dict(crowd)}"
    )
    refused = sum(number for answer, number in early.items() if answer != "200")
    missing = sum(number for answer, number in crowd.items() if answer != "200")
    return [
        Target(
            f"failed requests right after the ready line, {WORKERS} workers", refused, "most", 0, 0
        ),
        Target(f"failed requests on {AT_ONCE:,} concurrent connections", missing, "most", 0, 0),
    ]


async def _answers(url: str, sample: Sample, number: int) -> Counter[str]:
    """Get ``number`` athletes, each over its own connection; count status codes and errors."""
    ids = (str(sample.athlete_ids[index % len(sample.athlete_ids)]) for index in range(number))
    host, port = urlsplit(url).netloc.split(":")
    ((name, value),) = sample.headers.items()
    caller = f"{name}: {value}"
    async with asyncio.timeout(PATIENCE):
        return Counter(
            await asyncio.gather(*(_answer(host, int(port), row_id, caller) for row_id in ids))
        )


async def _answer(host: str, port: int, row_id: str, caller: str) -> str:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return type(error).__name__
    try:
        request = f"GET {ATHLETES}/{row_id} HTTP/1.1\r\nHost: {host}\r\n{caller}\r\n"
        writer.write(f"{request}Connection: close\r\n\r\n".encode())
        answer = await reader.read()
        return answer.split(b" ", 2)[1].decode() if answer else "nothing"
    except OSError as error:
        return type(error).__name__
    finally:
        writer.close()


def _allow_files(number: int) -> None:
    """Raise the limit of open files for this process, and the service that it starts."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, most), most))
