"""The parts of the OpenAPI document that only athletes have."""

from httpx import AsyncClient

from app.conftest import API, Create
from app.core.http.tests.document import Document


def body_of(document: Document, path: str) -> dict[str, object]:
    content: dict[str, dict[str, object]] = document.content["paths"][f"{API}/{path}"]["post"][
        "requestBody"
    ]["content"]
    (body,) = content.values()
    return body


async def test_the_example_lookup_finds_the_example_athlete(
    client: AsyncClient, create: Create, document: Document
) -> None:
    schemas = document.content["components"]["schemas"]
    category = await create("categories", {"name": "Rx"})
    person = schemas["AthleteCreate"]["examples"][0]
    fields = {name: person[name] for name in ("name", "reference")}
    athlete = await create("athletes", {**fields, "category_id": category["id"]})

    example = schemas["AthleteLookup"]["examples"][0]
    found = await client.post(f"{API}/athletes/lookup", json=example)

    assert (found.status_code, found.json()) == (200, athlete)


async def test_no_row_of_the_example_file_is_rejected(
    client: AsyncClient, document: Document
) -> None:
    file = str(body_of(document, "athletes/import")["example"])

    imported = await client.post(
        f"{API}/athletes/import", content=file, headers={"Content-Type": "text/csv"}
    )

    assert (imported.json()["created"], imported.json()["rejected"]) == (1, 0)
