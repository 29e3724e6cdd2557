"""Feed the file of athletes to a running service through its API, read all back, and compare."""

import asyncio
import csv
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import httpx
import typer

from athletes_file import (
    ATHLETES,
    Row,
    Unreadable,
    height_cm,
    name_key,
    read_rows,
    stored_text,
    weight_kg,
)
from many_requests import AT_ONCE, Json, each, walk

API = "/api/v1"
PROBLEM = "application/problem+json"
SHOWN_LINES = 3
SHOWN_DIFFERENCES = 20

InList = tuple[str, Json]
"""An athlete, after the id of the category or centre in whose list they stand."""


@dataclass(frozen=True)
class Place:
    """A category or centre of the service, or why a name did not become one."""

    id: str = ""
    created: bool = False
    refusal: str = ""


@dataclass(frozen=True)
class Sent:
    """What became of a row; if there is no refusal, its athlete is in the service."""

    row: Row
    created: bool = False
    refusal: str = ""


@dataclass(frozen=True)
class Feed:
    """What became of the file; categories and centres stand by the names that were typed."""

    categories: Mapping[str, Place]
    centres: Mapping[str, Place]
    sent: Sequence[Sent]
    seconds: float
    """What sending the athletes took."""


def main(
    url: Annotated[str, typer.Option(help="Where the service runs.")] = "http://127.0.0.1:8000",
    file: Annotated[Path, typer.Option(help="The file to feed.")] = ATHLETES,
    first: Annotated[int | None, typer.Option(min=1, help="Feed only so many rows of it.")] = None,
    every: Annotated[
        int, typer.Option(min=1, help="Read every n-th athlete alone, for height and weight.")
    ] = 1,
) -> None:
    """Feed the file of athletes to a running service, read all back, and compare.

    What is there already is not created again.

    The exit status is 0 only if each athlete is there as in the file, or refused for a reason.
    """
    try:
        rows = read_rows(file)[:first]
    except (OSError, ValueError, csv.Error) as error:
        sys.exit(f"error: cannot read {file}: {getattr(error, 'strerror', None) or error}")
    try:
        agree = asyncio.run(feed_and_compare(url, rows, every))
    except* (httpx.HTTPError, httpx.InvalidURL) as errors:
        failure = errors.exceptions[0]
        why, _, _ = str(failure).partition("\n")
        sys.exit(f"error: {url}: {why or type(failure).__name__}")
    sys.exit(0 if agree else 1)


async def feed_and_compare(url: str, rows: Sequence[Row], every: int) -> bool:
    """Feed the rows to the service at a URL; return whether it has them all then."""
    # The service closes a connection that is idle for 5 s: one that is about to be is not used.
    limits = httpx.Limits(max_connections=AT_ONCE, keepalive_expiry=2)
    client = httpx.AsyncClient(base_url=url, limits=limits, timeout=30, trust_env=False)
    async with client:
        fed = await feed(client, rows)
        report(fed)
        differences = await compare(client, fed, every)
    for difference in differences[:SHOWN_DIFFERENCES]:
        print(f"  {difference}")
    print(f"{len(differences)} differences" if differences else "The service and the file agree.")
    return not differences


async def feed(client: httpx.AsyncClient, rows: Sequence[Row]) -> Feed:
    """Create the categories and centres that the rows name, then the athletes."""
    categories = await create_places(client, "categories", (row.category for row in rows))
    centres = await create_places(client, "centres", (row.centre for row in rows))

    async def send(row: Row) -> Sent:
        sent = await create_athlete(client, row, categories[row.category], centres[row.centre])
        if sent.refusal:
            print(f"line {row.line} is refused: {sent.refusal}")
        return sent

    start = time.monotonic()
    sent = await each("athletes", send, rows)
    return Feed(categories, centres, sent, time.monotonic() - start)


async def create_places(
    client: httpx.AsyncClient, collection: str, names: Iterable[str]
) -> dict[str, Place]:
    """Create a category or centre of each name, or find the one that has it in some spelling."""

    async def create(name: str) -> Place:
        response = await client.post(f"{API}/{collection}", json={"name": name})
        if response.status_code == httpx.codes.CREATED:
            return Place(response.json()["id"], created=True)
        if is_taken(response, "/name"):
            for place in await walk(client, f"{API}/{collection}", name=name):
                if name_key(place["name"]) == name_key(name):
                    return Place(place["id"])
        return Place(refusal=f"{collection}: {reason(response)}")

    typed = [name for name in dict.fromkeys(names) if name]
    places = await each(collection, create, typed)
    return {"": Place(), **dict(zip(typed, places, strict=True))}


async def create_athlete(
    client: httpx.AsyncClient, row: Row, category: Place, centre: Place
) -> Sent:
    """Create the athlete of a row, unless they are there already."""
    if refusal := category.refusal or centre.refusal:
        return Sent(row, refusal=refusal)
    try:
        height, weight = height_cm(row.height), weight_kg(row.weight)
    except Unreadable as error:
        return Sent(row, refusal=str(error))
    payload = {
        "reference": row.reference,
        "name": row.name,
        "sex": row.sex or None,
        "category_id": category.id,
        "centre_ids": [centre.id] if centre.id else [],
        # A float of so few digits is written as the very decimal that it comes from.
        "height_cm": None if height is None else float(height),
        "weight_kg": None if weight is None else float(weight),
    }
    response = await client.post(f"{API}/athletes", json=payload)
    if response.status_code == httpx.codes.CREATED:
        return Sent(row, created=True)
    return Sent(row, refusal="" if is_taken(response, "/reference") else reason(response))


def is_taken(response: httpx.Response, pointer: str) -> bool:
    """Tell whether a request was refused because one value of it is there already."""
    if response.status_code != httpx.codes.CONFLICT:
        return False
    problem = response.json()
    pointers = [error["pointer"] for error in problem["errors"]]
    return bool(problem["type"] == "/problems/already-taken" and pointers == [pointer])


def reason(response: httpx.Response) -> str:
    """Return why the service refused a request; any other failure is an error."""
    if not response.is_client_error or response.headers.get("Content-Type") != PROBLEM:
        failure = f"{response.url} was answered {response.status_code}"
        raise httpx.HTTPStatusError(failure, request=response.request, response=response)
    problem = response.json()
    errors = (f"{error['pointer']}: {error['detail']}" for error in problem["errors"])
    return " ".join([f"{response.status_code}", problem["detail"], *errors])


def report(fed: Feed) -> None:
    """Print what was created, what was there already, and what was refused and why."""
    for label, places in (("categories", fed.categories), ("centres", fed.centres)):
        named = {name: place for name, place in places.items() if name}
        created = sum(place.created for place in named.values())
        refused = sum(bool(place.refusal) for place in named.values())
        there = len({place.id for place in named.values() if place.id})
        print(f"{label}: {len(named)} names, {refused} refused; {there} in all, {created} created")
    refusals: dict[str, list[Row]] = defaultdict(list)
    for sent in fed.sent:
        if sent.refusal:
            refusals[sent.refusal].append(sent.row)
    created = sum(sent.created for sent in fed.sent)
    refused = sum(map(len, refusals.values()))
    print(
        f"athletes: {len(fed.sent)} rows, {created} created,"
        f" {len(fed.sent) - created - refused} already there, {refused} refused;"
        f" {len(fed.sent) / fed.seconds:.0f} per second"
    )
    for refusal, rows in sorted(refusals.items(), key=lambda item: -len(item[1])):
        print(f"  {len(rows)} of: {refusal}")
        for row in rows[:SHOWN_LINES]:
            print(f"      line {row.line}: {row.height or '-'}, {row.weight or '-'}")


async def compare(client: httpx.AsyncClient, fed: Feed, every: int = 1) -> list[str]:
    """Read all athletes back, in each way there is; return where they differ from the file.

    Heights and weights stand in no list: for those, every n-th athlete is read alone.
    """
    everyone = await athletes_in(client, "all", {"": f"{API}/athletes"})
    by_category = await athletes_in(client, "by category", lists("categories", fed.categories))
    by_centre = await athletes_in(client, "by centre", lists("centres", fed.centres))
    ids = {athlete["reference"]: athlete["id"] for _, athlete in everyone}

    async def compare_measures(row: Row) -> str:
        response = await client.get(f"{API}/athletes/{ids[row.key]}")
        athlete = response.raise_for_status().json(parse_float=Decimal)
        found = athlete["height_cm"], athlete["weight_kg"]
        expected = height_cm(row.height), weight_kg(row.weight)
        return "" if found == expected else f"line {row.line}: {found} instead of {expected}"

    there = [sent.row for sent in fed.sent if not sent.refusal and sent.row.key in ids]
    return [
        *differences("all", fed, everyone, lambda row: ""),
        *differences("by category", fed, by_category, lambda row: fed.categories[row.category].id),
        *differences("by centre", fed, by_centre, lambda row: fed.centres[row.centre].id or None),
        *filter(None, await each("read back alone", compare_measures, there[::every])),
    ]


def lists(collection: str, places: Mapping[str, Place]) -> dict[str, str]:
    """Return the paths of the lists of athletes within categories or centres, by their ids."""
    ids = {place.id for place in places.values() if place.id}
    return {place_id: f"{API}/{collection}/{place_id}/athletes" for place_id in ids}


async def athletes_in(
    client: httpx.AsyncClient, label: str, paths: Mapping[str, str]
) -> list[InList]:
    """Walk lists of athletes, each to its end."""

    async def read(path: str) -> list[Json]:
        return await walk(client, path)

    walked = await each(f"read back {label}: lists", read, paths.values())
    found = [
        (list_id, athlete)
        for list_id, athletes in zip(paths, walked, strict=True)
        for athlete in athletes
    ]
    print(f"read back {label}: {len(found)} athletes")
    return found


def differences(
    label: str, fed: Feed, found: Iterable[InList], list_of: Callable[[Row], str | None]
) -> Iterator[str]:
    """Say which athletes do not stand exactly once, as the file has them, in the list they should.

    A row of which the list is ``None``, or which was refused, should stand in no list.
    """
    standing: dict[str, list[tuple[object, ...]]] = defaultdict(list)
    for list_id, athlete in found:
        places = [athlete["category"], *athlete["centres"]]
        names = [(place["id"], name_key(place["name"])) for place in places]
        standing[athlete["reference"]].append((list_id, athlete["name"], athlete["sex"], *names))
    for sent in fed.sent:
        row, in_list = sent.row, list_of(sent.row)
        names = [(fed.categories[row.category].id, name_key(row.category))]
        if row.centre:
            names.append((fed.centres[row.centre].id, name_key(row.centre)))
        expected = (in_list, stored_text(row.name), row.sex or None, *names)
        should = [] if sent.refusal or in_list is None else [expected]
        if standing[row.key] != should:
            yield f"line {row.line}, {label}: {standing[row.key]} instead of {should}"


if __name__ == "__main__":
    typer.run(main)
