"""The OpenAPI document, against what the API really answers."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import asyncpg
import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from app.commands.document import DOCUMENT, write_document
from app.conftest import API, Create, Json, client_of
from app.core.db.transactions import Database
from app.core.errors import Unavailable
from app.core.http.tests.document import Document
from app.core.resources.fields import new_id

CSV = {"Content-Type": "text/csv"}
STALE = {"If-Match": '"0-"'}


def test_the_committed_document_is_the_apps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = DOCUMENT.read_text("utf-8")
    monkeypatch.setattr("app.commands.document.DOCUMENT", tmp_path / "openapi.json")

    write_document()

    assert (tmp_path / "openapi.json").read_text("utf-8") == committed, (
        "run `python3 manage.py openapi` and look at what changed"
    )


def test_operations_are_named_by_their_functions(document: Document) -> None:
    assert sorted(
        f"{method} {path} {operation['operationId']}"
        for path, operations in document.content["paths"].items()
        for method, operation in operations.items()
    ) == [
        "delete /api/v1/athletes/{athlete_id} delete_athlete",
        "delete /api/v1/athletes/{athlete_id}/centres/{centre_id} withdraw_athlete",
        "delete /api/v1/categories/{category_id} delete_category",
        "delete /api/v1/centres/{centre_id} delete_centre",
        "delete /api/v1/trainings/{training_id} delete_training",
        "get / get_service",
        "get /api/v1/athletes list_athletes",
        "get /api/v1/athletes/export export_athletes",
        "get /api/v1/athletes/{athlete_id} get_athlete",
        "get /api/v1/athletes/{athlete_id}/bookings list_bookings_of_athlete",
        "get /api/v1/athletes/{athlete_id}/centres list_centres_of_athlete",
        "get /api/v1/bookings/{booking_id} get_booking",
        "get /api/v1/categories list_categories",
        "get /api/v1/categories/{category_id} get_category",
        "get /api/v1/categories/{category_id}/athletes list_athletes_of_category",
        "get /api/v1/centres list_centres",
        "get /api/v1/centres/{centre_id} get_centre",
        "get /api/v1/centres/{centre_id}/athletes list_athletes_at_centre",
        "get /api/v1/centres/{centre_id}/occupancy get_occupancy",
        "get /api/v1/trainings list_trainings",
        "get /api/v1/trainings/{training_id} get_training",
        "get /api/v1/trainings/{training_id}/bookings list_bookings_of_training",
        "get /health/live get_liveness",
        "get /health/ready get_readiness",
        "patch /api/v1/athletes/{athlete_id} update_athlete",
        "patch /api/v1/categories/{category_id} update_category",
        "patch /api/v1/centres/{centre_id} update_centre",
        "patch /api/v1/trainings/{training_id} update_training",
        "post /api/v1/athletes create_athlete",
        "post /api/v1/athletes/import import_athletes",
        "post /api/v1/athletes/lookup lookup_athlete",
        "post /api/v1/bookings/{booking_id}/cancel cancel_booking",
        "post /api/v1/bookings/{booking_id}/check-in check_in_booking",
        "post /api/v1/bookings/{booking_id}/check-out check_out_booking",
        "post /api/v1/categories create_category",
        "post /api/v1/centres create_centre",
        "post /api/v1/trainings create_training",
        "post /api/v1/trainings/{training_id}/bookings create_booking",
        "post /api/v1/trainings/{training_id}/cancel cancel_training",
        "put /api/v1/athletes/{athlete_id}/centres/{centre_id} enrol_athlete",
    ]


def examples_of(document: Document) -> dict[str, Json]:
    """Return the example of each body in JSON, by the name of its schema."""
    return {
        name: json.loads(json.dumps(schema["examples"][0], default=float))
        for name, schema in document.content["components"]["schemas"].items()
        if name.endswith(("Create", "Update", "Lookup"))
    }


def test_a_created_row_leads_to_every_operation_that_takes_its_id(document: Document) -> None:
    links = document.content["paths"][f"{API}/centres"]["post"]["responses"]["201"]["links"]

    assert sorted(links) == [
        "delete_centre",
        "enrol_athlete",
        "get_centre",
        "get_occupancy",
        "list_athletes",
        "list_athletes_at_centre",
        "list_athletes_of_category",
        "list_trainings",
        "update_centre",
        "withdraw_athlete",
    ]
    assert links["enrol_athlete"] == {
        "operationId": "enrol_athlete",
        "parameters": {"centre_id": "$response.body#/id"},
    }


def test_only_what_creates_a_row_has_links(document: Document) -> None:
    assert [
        (path, status)
        for path, operations in document.content["paths"].items()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        if "links" in response
    ] == [
        (f"{API}/{collection}", "201")
        for collection in (
            "categories",
            "centres",
            "athletes",
            "trainings",
            "trainings/{training_id}/bookings",
        )
    ]


def test_a_row_that_lives_elsewhere_leads_on_too(document: Document) -> None:
    path = f"{API}/trainings/{{training_id}}/bookings"
    links = document.content["paths"][path]["post"]["responses"]["201"]["links"]

    assert sorted(links) == [
        "cancel_booking",
        "check_in_booking",
        "check_out_booking",
        "get_booking",
    ]


def test_bounds_are_in_the_words_of_json_schema(document: Document) -> None:
    parameters = document.content["paths"][f"{API}/athletes"]["get"]["parameters"]
    bounds = {
        one["name"]: (one["schema"]["minimum"], one["schema"]["maximum"])
        for one in parameters
        if one["schema"]["type"] == "integer"
    }

    assert bounds == {"limit": (1, 100), "offset": (0, 10_000)}


async def test_each_example_body_is_accepted(
    client: AsyncClient, create: Create, document: Document
) -> None:
    examples = examples_of(document)
    category = await create("categories", examples["CategoryCreate"])
    centre = await create("centres", examples["CentreCreate"])
    ids = {"category_id": category["id"], "centre_ids": [centre["id"]]}
    athlete = await create("athletes", examples["AthleteCreate"] | ids)

    at = {"centre_id": centre["id"]}
    training = await create("trainings", examples["TrainingCreate"] | at)
    whom = {"athlete_id": athlete["id"]}

    for path, payload in (
        (f"trainings/{training['id']}", examples["TrainingUpdate"] | at),
        (f"categories/{category['id']}", examples["CategoryUpdate"]),
        (f"centres/{centre['id']}", examples["CentreUpdate"]),
        (f"athletes/{athlete['id']}", examples["AthleteUpdate"] | ids),
    ):
        assert (await client.patch(f"{API}/{path}", json=payload)).status_code == 200
    await create(f"trainings/{training['id']}/bookings", examples["BookingCreate"] | whom)
    found = await client.post(f"{API}/athletes/lookup", json=examples["AthleteLookup"])
    assert found.json() == athlete
    described = document.content["paths"][f"{API}/athletes/import"]["post"]["requestBody"]
    file = described["content"]["text/csv"]["example"]
    imported = await client.post(f"{API}/athletes/import", content=file, headers=CSV)
    assert imported.json()["rejected"] == 0


async def test_every_answer_in_the_document_is_given(
    client: AsyncClient,
    app: FastAPI,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Go through every endpoint; each answer is checked against its schema on the way."""
    document = Document(app)
    async with client_of(app, document) as client:
        ids: dict[str, str] = {}
        for collection, payload in (
            ("categories", {"name": "Rx"}),
            ("centres", {"name": "North"}),
            ("athletes", {"name": "Mara", "reference": "M-1"}),
            ("trainings", {"name": "WOD", "capacity": 1, **soon()}),
        ):
            if collection == "athletes":
                payload["category_id"] = ids["categories"]
            if collection == "trainings":
                payload["centre_id"] = ids["centres"]
            created = await client.post(f"{API}/{collection}", json=payload)
            ids[collection] = created.json()["id"]
        athlete = f"{API}/athletes/{ids['athletes']}"
        enrolment = f"{athlete}/centres/{ids['centres']}"
        await client.put(enrolment)

        for url in ("/", "/health/live", "/health/ready"):
            await client.get(url)
            await client.get(url, params={"no": "such"})
        for collection in ids:
            await read_and_refuse(client, f"{API}/{collection}", ids[collection])
        await train_and_refuse(client, ids, connection)
        for owner in ("categories", "centres"):
            for row_id in (ids[owner], new_id(), "1"):
                await client.get(f"{API}/{owner}/{row_id}/athletes")
        for row_id in (ids["athletes"], new_id(), "1"):
            await client.get(f"{API}/athletes/{row_id}/centres")
            await client.put(f"{API}/athletes/{row_id}/centres/{ids['centres']}")

        other = {"category_id": str(new_id())}
        await client.post(f"{API}/athletes", json={"name": "Mara", **other})
        await client.patch(athlete, json=other)
        await write_and_refuse(client, "POST", f"{API}/athletes/lookup", {"reference": "M-1"})
        await client.post(f"{API}/athletes/lookup", json={"reference": "M-2"})
        await import_and_export(client)
        for collection in ("categories", "centres"):
            taken = await client.get(f"{API}/{collection}/{ids[collection]}")
            twin = await client.post(f"{API}/{collection}", json={"name": "Twin"})
            await client.post(f"{API}/{collection}", json={"name": taken.json()["name"]})
            await client.patch(
                f"{API}/{collection}/{twin.json()['id']}", json={"name": taken.json()["name"]}
            )
            await client.delete(f"{API}/{collection}/{ids[collection]}")
        for row_id in (ids["athletes"], new_id(), "1"):
            await client.delete(f"{API}/athletes/{row_id}/centres/{ids['centres']}")
        for collection in reversed(ids):
            for row_id in (ids[collection], new_id(), "1"):
                await client.delete(f"{API}/{collection}/{row_id}")
        await create_and_delete(client)
        await refuse_what_comes_late_or_at_length(client, app, document, monkeypatch)
        with monkeypatch.context() as changed:
            changed.setattr(Database, "_run", AsyncMock(side_effect=Unavailable("It is gone.")))
            for operation in every_operation(document):
                await client.request(**operation)

    assert document.answered == document.operations()


def every_operation(document: Document) -> Iterator[dict[str, Any]]:
    """Yield a request for each operation, with its example of a body."""
    examples = examples_of(document)
    for path, operations in document.content["paths"].items():
        url = re.sub(r"{\w+}", str(new_id()), path)
        for method, operation in operations.items():
            content, headers = b"", {}
            if described := operation.get("requestBody", {}).get("content"):
                ((media_type, body),) = described.items()
                headers = {"Content-Type": media_type}
                example = body.get("example") or json.dumps(
                    examples[body["schema"]["$ref"].rpartition("/")[2]]
                )
                content = example.encode()
            yield {"method": method, "url": url, "content": content, "headers": headers}


async def refuse_what_comes_late_or_at_length(
    client: AsyncClient, app: FastAPI, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_whole() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    with_body = [one for one in every_operation(document) if one["content"]]
    with monkeypatch.context() as changed:
        changed.setattr(app.state.settings, "body_timeout", 0.01)
        for operation in with_body:
            await client.request(**operation | {"content": never_whole()})
        changed.setattr(app.state.settings, "max_body_size", 1)
        changed.setattr(app.state.settings, "max_import_size", 1)
        for operation in with_body:
            await client.request(**operation)


async def read_and_refuse(client: AsyncClient, collection: str, row_id: str) -> None:
    """Get each success and refusal of the usual endpoints of a collection but the deletion."""
    await client.get(collection)
    await client.get(collection, params={"limit": "0"})
    for identifier in (row_id, str(new_id()), "1"):
        await client.get(f"{collection}/{identifier}")
        await client.get(f"{collection}/{identifier}", headers={"If-None-Match": "*"})
        await client.patch(f"{collection}/{identifier}", json={"name": "Rx"})
        await client.patch(f"{collection}/{identifier}", json={"name": "Rx"}, headers=STALE)
        await client.delete(f"{collection}/{identifier}", headers=STALE)
    await write_and_refuse(client, "POST", collection, {})
    await write_and_refuse(client, "PATCH", f"{collection}/{row_id}", {})


def soon() -> dict[str, str]:
    """Return the times of a training that one can check in to, and that has not started."""
    start = datetime.now(UTC) + timedelta(minutes=30)
    return {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=1)).isoformat()}


async def train_and_refuse(
    client: AsyncClient, ids: dict[str, str], connection: asyncpg.Connection
) -> None:
    """Get each success and refusal of the endpoints that only trainings and bookings have."""
    training = f"{API}/trainings/{ids['trainings']}"
    nowhere = {"centre_id": str(new_id())}
    await client.post(f"{API}/trainings", json={"name": "x", "capacity": 1, **soon(), **nowhere})
    await client.patch(training, json=nowhere)
    booked = await client.post(f"{training}/bookings", json={"athlete_id": ids["athletes"]})
    await write_and_refuse(client, "POST", f"{training}/bookings", {"athlete_id": ids["athletes"]})
    await client.post(f"{API}/trainings/{new_id()}/bookings", json={"athlete_id": str(new_id())})
    for row_id in (booked.json()["id"], str(new_id()), "1"):
        await client.get(f"{API}/bookings/{row_id}")
        await client.get(f"{API}/bookings/{row_id}", headers={"If-None-Match": "*"})
        for action in ("check-out", "check-in", "check-out", "cancel", "check-in"):
            await client.post(f"{API}/bookings/{row_id}/{action}")
    again = await client.post(f"{training}/bookings", json={"athlete_id": ids["athletes"]})
    await connection.execute("UPDATE trainings SET starts_at = statement_timestamp()")
    await client.post(f"{API}/bookings/{again.json()['id']}/cancel")
    await client.post(f"{training}/cancel")
    await connection.execute("UPDATE trainings SET starts_at = ends_at - interval '1 minute'")
    for row_id in (ids["trainings"], str(new_id()), "1"):
        await client.get(f"{API}/trainings/{row_id}/bookings")
        await client.post(f"{API}/trainings/{row_id}/cancel")
    for owner, what in (("athletes", "bookings"), ("centres", "occupancy")):
        for row_id in (ids[owner], str(new_id()), "1"):
            await client.get(f"{API}/{owner}/{row_id}/{what}")


async def create_and_delete(client: AsyncClient) -> None:
    """Delete a row of each kind that nothing refers to."""
    category = await client.post(f"{API}/categories", json={"name": "Short-lived"})
    centre = await client.post(f"{API}/centres", json={"name": "Short-lived"})
    person = {"name": "Ada", "category_id": category.json()["id"]}
    athlete = await client.post(f"{API}/athletes", json=person)
    at = {"centre_id": centre.json()["id"]}
    training = await client.post(
        f"{API}/trainings", json={"name": "WOD", "capacity": 1, **soon(), **at}
    )
    for created in (training, athlete, centre, category):
        await client.delete(created.headers["Location"])


async def import_and_export(client: AsyncClient) -> None:
    """Import and export athletes, and be refused."""
    url, export = f"{API}/athletes/import", f"{API}/athletes/export"
    for file in (b"reference\n", b"", b"\xff", b"a" * 100):
        await client.post(url, content=file, headers=CSV)
    await client.post(url, content=b"reference\n")
    await client.get(export)
    await client.get(export, params={"no": "such"})


async def write_and_refuse(
    client: AsyncClient, method: str, url: str, payload: dict[str, str]
) -> None:
    """Send a payload, something that is not valid, and bodies that are not even JSON."""
    await client.request(method, url, json=payload)
    await client.request(method, url, json={"no": "such"})
    await client.request(method, url, content=b"{", headers={"Content-Type": "application/json"})
    await client.request(method, url, content=b"{}", headers={"Content-Type": "text/plain"})
