"""Send the file of athletes to a running service through its API, read them back, and compare."""

import asyncio
import csv
import os
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
    ROOT,
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
VARIABLE = "CROSSFIT_TOKEN"
TOKEN_FILE = ROOT / ".local" / "admin-token"
"""The token that `manage.py run` makes for the embedded server."""
SHOWN_LINES = 3
SHOWN_DIFFERENCES = 20

InList = tuple[str, Json]
"""The id of the category or centre whose list has the athlete, and the athlete."""


@dataclass(frozen=True)
class Place:
    """A category or centre of the service, or the reason why it could not be created."""

    id: str = ""
    created: bool = False
    refusal: str = ""


@dataclass(frozen=True)
class Sent:
    """The result of sending a row; without a refusal, the service has its athlete."""

    row: Row
    created: bool = False
    refusal: str = ""


@dataclass(frozen=True)
class Feed:
    """The result of sending the file; categories and centres are keyed by their names in it."""

    categories: Mapping[str, Place]
    centres: Mapping[str, Place]
    sent: Sequence[Sent]
    seconds: float
    """The time that sending the athletes took."""


def main(
    url: Annotated[
        str, typer.Option(help="The URL of the running service.")
    ] = "http://127.0.0.1:8000",
    file: Annotated[Path, typer.Option(help="The CSV file to send.")] = ATHLETES,
    first: Annotated[
        int | None, typer.Option(min=1, help="Send only the first rows, at most this many.")
    ] = None,
    every: Annotated[
        int, typer.Option(min=1, help="Compare height and weight of every n-th athlete only.")
    ] = 1,
    token_file: Annotated[
        Path, typer.Option(help=f"File with an administrator's token, unless {VARIABLE} has it.")
    ] = TOKEN_FILE,
) -> None:
    """Send the file of athletes to a running service, read them back, and compare.

    Rows that the service already has are not created again.

    The exit status is 0 if each athlete was rejected or is stored as in the file, else 1.
    """
    try:
        rows = read_rows(file)[:first]
    except (OSError, ValueError, csv.Error) as error:
        sys.exit(f"error: cannot read {file}: {getattr(error, 'strerror', None) or error}")
    try:
        token = os.environ.get(VARIABLE) or token_file.read_text().strip()
    except OSError as error:
        sys.exit(f"error: cannot read {token_file}: {error.strerror}")
    try:
        agree = asyncio.run(feed_and_compare(url, token, rows, every))
    except* (httpx.HTTPError, httpx.InvalidURL) as errors:
        failure = errors.exceptions[0]
        why, _, _ = str(failure).partition("\n")
        sys.exit(f"error: {url}: {why or type(failure).__name__}")
    sys.exit(0 if agree else 1)


async def feed_and_compare(url: str, token: str, rows: Sequence[Row], every: int) -> bool:
    """Send the rows to the service at a URL; return whether service and file agree then."""
    # The service closes connections that are idle for 5 s. Closing them earlier here avoids sending
    # a request on a connection that is about to be closed.
    limits = httpx.Limits(max_connections=AT_ONCE, keepalive_expiry=2)
    client = httpx.AsyncClient(
        base_url=url,
        headers={"Authorization": f"Bearer {token}"},
        limits=limits,
        timeout=30,
        trust_env=False,
    )
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
            print(f"line {row.line} was rejected: {sent.refusal}")
        return sent

    start = time.monotonic()
    sent = await each("athletes", send, rows)
    return Feed(categories, centres, sent, time.monotonic() - start)


async def create_places(
    client: httpx.AsyncClient, collection: str, names: Iterable[str]
) -> dict[str, Place]:
    """Create a category or centre for each name, or find the one whose name has the same key."""

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
    """Create the athlete of a row, unless the service has them already."""
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
        # A float with so few digits is serialized as exactly the decimal that it comes from.
        "height_cm": None if height is None else float(height),
        "weight_kg": None if weight is None else float(weight),
    }
    response = await client.post(f"{API}/athletes", json=payload)
    if response.status_code == httpx.codes.CREATED:
        return Sent(row, created=True)
    return Sent(row, refusal="" if is_taken(response, "/reference") else reason(response))


def is_taken(response: httpx.Response, pointer: str) -> bool:
    """Return whether the response says that the value of this one field is already taken."""
    if response.status_code != httpx.codes.CONFLICT:
        return False
    problem = response.json()
    pointers = [error["pointer"] for error in problem["errors"]]
    return bool(problem["type"] == "/problems/already-taken" and pointers == [pointer])


def reason(response: httpx.Response) -> str:
    """Return why the service rejected a request; raise ``HTTPStatusError`` for other failures."""
    if not response.is_client_error or response.headers.get("Content-Type") != PROBLEM:
        failure = f"{response.url} answered {response.status_code}"
        raise httpx.HTTPStatusError(failure, request=response.request, response=response)
    problem = response.json()
    errors = (f"{error['pointer']}: {error['detail']}" for error in problem["errors"])
    return " ".join([f"{response.status_code}", problem["detail"], *errors])


def report(fed: Feed) -> None:
    """Print counts of created, existing and rejected rows, and the reasons of rejections."""
    for label, places in (("categories", fed.categories), ("centres", fed.centres)):
        named = {name: place for name, place in places.items() if name}
        created = sum(place.created for place in named.values())
        refused = sum(bool(place.refusal) for place in named.values())
        there = len({place.id for place in named.values() if place.id})
        print(
            f"{label}: {len(named)} names, {refused} rejected;"
            f" {there} stored in all, {created} created"
        )
    refusals: dict[str, list[Row]] = defaultdict(list)
    for sent in fed.sent:
        if sent.refusal:
            refusals[sent.refusal].append(sent.row)
    created = sum(sent.created for sent in fed.sent)
    refused = sum(map(len, refusals.values()))
    print(
        f"athletes: {len(fed.sent)} rows, {created} created,"
        f" {len(fed.sent) - created - refused} existed already, {refused} rejected;"
        f" {len(fed.sent) / fed.seconds:.0f} per second"
    )
    for refusal, rows in sorted(refusals.items(), key=lambda item: -len(item[1])):
        print(f"  {len(rows)} rejected: {refusal}")
        for row in rows[:SHOWN_LINES]:
            print(f"      line {row.line}: {row.height or '-'}, {row.weight or '-'}")


async def compare(client: httpx.AsyncClient, fed: Feed, every: int = 1) -> list[str]:
    """Read all athletes back through each list; return the differences from the file.

    Lists do not have heights and weights, so every n-th athlete is also read by id.
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
    """Read all pages of some lists of athletes."""

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
    """Yield the rows whose athlete is not exactly once, with the file's values, in its list.

    A row whose list is ``None``, or that was rejected, must be in none of the lists.
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
