"""ETags: conditional reads (If-None-Match) and optimistic locking (If-Match)."""

import asyncio
import re
from typing import Any

import pytest
from httpx import AsyncClient

from app.conftest import API, Create, Json, not_found, problem
from app.core.resources.fields import new_id

STALE: tuple[int, str, list[tuple[str, str]]] = (412, "/problems/precondition-failed", [])


@pytest.fixture
async def rx(create: Create) -> Json:
    return await create("categories", {"name": "Rx"})


@pytest.fixture
async def mara(create: Create, rx: Json) -> Json:
    return await create("athletes", {"name": "Mara", "reference": "M-1", "category_id": rx["id"]})


async def etag_of(client: AsyncClient, url: str) -> str:
    response = await client.get(url)
    assert response.status_code == 200
    return str(response.headers["ETag"])


class TestETag:
    async def test_every_response_with_one_resource_has_the_same_etag(
        self, client: AsyncClient, rx: Json
    ) -> None:
        athlete = {"name": "Mara", "reference": "M-1", "category_id": rx["id"]}
        created = await client.post(f"{API}/athletes", json=athlete)
        url = created.headers["Location"]
        answers = [
            created,
            await client.get(url),
            await client.patch(url, json={"name": "Mara"}),
            await client.patch(url, json={}),
            await client.post(f"{API}/athletes/lookup", json={"reference": "M-1"}),
        ]

        (tag,) = {answer.headers["ETag"] for answer in answers}
        assert re.fullmatch(r'"1-[0-9a-f]{16}"', tag)
        assert (await client.head(url)).headers["ETag"] == tag

    async def test_a_list_is_revalidated_by_the_etag_of_its_body(
        self, client: AsyncClient, rx: Json, create: Create
    ) -> None:
        url = f"{API}/categories?limit=1"
        tag = await etag_of(client, url)

        known = await client.get(url, headers={"If-None-Match": tag})
        await create("categories", {"name": "Scaled"})
        changed = await client.get(url, headers={"If-None-Match": tag})

        assert re.fullmatch(r'"[0-9a-f]{16}"', tag)
        assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", tag)
        assert known.headers["Cache-Control"] == changed.headers["Cache-Control"] == "no-cache"
        assert (changed.status_code, len(changed.json()["items"])) == (200, 1)
        assert changed.headers["ETag"] != tag  # the page has a next one now
        assert 'rel="next"' in changed.headers["Link"]

    async def test_the_etag_of_a_list_matches_no_row(self, client: AsyncClient, rx: Json) -> None:
        tag = await etag_of(client, f"{API}/categories")

        response = await client.delete(f"{API}/categories/{rx['id']}", headers={"If-Match": tag})

        assert problem(response) == STALE

    async def test_a_change_changes_the_etag(self, client: AsyncClient, rx: Json) -> None:
        url = f"{API}/categories/{rx['id']}"
        before = await etag_of(client, url)

        changed = await client.patch(url, json={"description": "As prescribed"})

        assert changed.headers["ETag"].startswith('"2-')
        assert changed.headers["ETag"] == await etag_of(client, url) != before

    async def test_a_renamed_category_changes_an_athletes_etag_but_not_the_version(
        self, client: AsyncClient, rx: Json, mara: Json
    ) -> None:
        url = f"{API}/athletes/{mara['id']}"
        before = await etag_of(client, url)

        await client.patch(f"{API}/categories/{rx['id']}", json={"name": "Scaled"})

        assert await etag_of(client, url) != before
        assert before.startswith('"1-')
        changed = await client.patch(url, json={"name": "M"}, headers={"If-Match": before})
        assert changed.status_code == 200


class TestIfNoneMatch:
    @pytest.mark.parametrize("known", ["{}", "W/{}", '"other", {}', 'W/"other",{}', "*"])
    async def test_a_matching_etag_gets_304(
        self, client: AsyncClient, rx: Json, known: str
    ) -> None:
        url = f"{API}/categories/{rx['id']}"
        tag = await etag_of(client, url)

        for method in ("GET", "HEAD"):
            response = await client.request(
                method, url, headers={"If-None-Match": known.replace("{}", tag)}
            )

            assert (response.status_code, response.content) == (304, b"")
            assert response.headers["ETag"] == tag
            assert response.headers["Cache-Control"] == "no-cache"
            assert "Content-Type" not in response.headers

    async def test_a_header_in_several_lines_is_one_list(
        self, client: AsyncClient, rx: Json
    ) -> None:
        url = f"{API}/categories/{rx['id']}"
        tag = await etag_of(client, url)

        response = await client.get(url, headers=[("If-None-Match", '"a"'), ("If-None-Match", tag)])

        assert response.status_code == 304

    @pytest.mark.parametrize("known", ['"1-0000000000000000"', "nothing", "", '"', 'W/"', "1-2"])
    async def test_any_other_value_gets_the_full_response(
        self, client: AsyncClient, rx: Json, known: str
    ) -> None:
        url = f"{API}/categories/{rx['id']}"

        response = await client.get(url, headers={"If-None-Match": known})

        assert response.json() == rx

    async def test_an_unknown_resource_is_not_found(self, client: AsyncClient) -> None:
        response = await client.get(f"{API}/athletes/{new_id()}", headers={"If-None-Match": "*"})

        assert not_found(response)

    async def test_an_athlete_with_a_renamed_category_is_sent_again(
        self, client: AsyncClient, rx: Json, mara: Json
    ) -> None:
        url = f"{API}/athletes/{mara['id']}"
        tag = await etag_of(client, url)
        await client.patch(f"{API}/categories/{rx['id']}", json={"name": "Scaled"})

        response = await client.get(url, headers={"If-None-Match": tag})

        assert response.json()["category"]["name"] == "Scaled"


@pytest.mark.parametrize("collection", ["categories", "centres", "athletes"])
class TestIfMatch:
    @pytest.fixture
    async def url(self, create: Create, collection: str, rx: Json) -> str:
        """Create a resource, which has version 1, and return its URL."""
        payload = {"name": "Mara"} | ({"category_id": rx["id"]} if collection == "athletes" else {})
        return f"{API}/{collection}/{(await create(collection, payload))['id']}"

    @pytest.mark.parametrize("expected", ["{}", '"0-a", {}', "*", '"1-whatever-this-is"'])
    async def test_the_matching_version_is_changed(
        self, client: AsyncClient, url: str, expected: str
    ) -> None:
        headers = {"If-Match": expected.replace("{}", await etag_of(client, url))}

        changed = await client.patch(url, json={"name": "Mara L."}, headers=headers)

        assert (changed.status_code, changed.json()["version"]) == (200, 2)

    @pytest.mark.parametrize("payload", [{"name": "Mara L."}, {}])
    @pytest.mark.parametrize(
        "expected",
        ['"1-a"', '"3-a", "4-a"', 'W/"2-a"', "2", '"2"', "nonsense", "", '"99999999999-a"'],
    )
    async def test_any_other_version_is_not_changed_or_deleted(
        self, client: AsyncClient, url: str, expected: str, payload: Json
    ) -> None:
        before = (await client.patch(url, json={"name": "Mara M."})).json()
        assert before["version"] == 2

        changed = await client.patch(url, json=payload, headers={"If-Match": expected})
        deleted = await client.delete(url, headers={"If-Match": expected})

        assert problem(changed) == problem(deleted) == STALE
        assert (await client.get(url)).json() == before

    @pytest.mark.parametrize(
        "expected", ["W/{}", "w/{}", 'W/"1-x"', 'W/"1-x", "2-y"', '"2-y",W/"9-z"']
    )
    async def test_the_error_for_a_weak_etag_says_what_helps(
        self, client: AsyncClient, url: str, expected: str
    ) -> None:
        headers = {"If-Match": expected.replace("{}", await etag_of(client, url))}

        changed = await client.patch(url, json={"name": "Mara L."}, headers=headers)
        deleted = await client.delete(url, headers=headers)

        assert problem(changed) == problem(deleted) == STALE
        assert changed.json()["detail"] == deleted.json()["detail"]
        assert changed.json()["detail"].startswith("If-Match has a weak ETag")
        assert "Accept-Encoding: identity" in changed.json()["detail"]

    @pytest.mark.parametrize("expected", ['W/"9-x", {}', '{}, W/"1-x"'])
    async def test_a_strong_etag_beside_a_weak_one_is_accepted(
        self, client: AsyncClient, url: str, expected: str
    ) -> None:
        headers = {"If-Match": expected.replace("{}", await etag_of(client, url))}

        changed = await client.patch(url, json={"name": "Mara L."}, headers=headers)

        assert (changed.status_code, changed.json()["version"]) == (200, 2)

    @pytest.mark.parametrize("expected", ['"9-x"', '"W/1-x"', '"1"'])
    async def test_the_error_for_a_strong_etag_says_to_read_again(
        self, client: AsyncClient, url: str, expected: str
    ) -> None:
        changed = await client.patch(url, json={"name": "M"}, headers={"If-Match": expected})

        assert problem(changed) == STALE
        assert changed.json()["detail"].endswith("that If-Match does not accept; read it again.")

    async def test_the_matching_version_is_deleted(self, client: AsyncClient, url: str) -> None:
        deleted = await client.delete(url, headers={"If-Match": await etag_of(client, url)})

        assert deleted.status_code == 204
        assert not_found(await client.get(url))

    @pytest.mark.parametrize("expected", ["*", '"1-a"'])
    async def test_an_unknown_resource_is_not_found(
        self, client: AsyncClient, collection: str, expected: str
    ) -> None:
        url = f"{API}/{collection}/{new_id()}"

        for payload in ({"name": "Mara"}, {}):
            changed = await client.patch(url, json=payload, headers={"If-Match": expected})
            assert not_found(changed)
        assert not_found(await client.delete(url, headers={"If-Match": expected}))


async def test_a_stale_replacement_of_centres_changes_nothing(
    client: AsyncClient, create: Create, mara: Json
) -> None:
    north = await create("centres", {"name": "North"})
    url = f"{API}/athletes/{mara['id']}"
    await client.put(f"{url}/centres/{north['id']}")

    response = await client.patch(url, json={"centre_ids": []}, headers={"If-Match": '"1-a"'})

    assert problem(response) == STALE
    centres = (await client.get(url)).json()["centres"]
    assert centres == [{"id": north["id"], "name": "North"}]


@pytest.mark.parametrize(
    "payloads",
    [
        [{"name": "One"}, {"name": "Two"}],
        [{"name": "One"}, {"centre_ids": []}],
        [{"name": "One", "centre_ids": []}, {"sex": "female"}],
    ],
)
async def test_one_of_two_concurrent_changes_with_one_etag_succeeds(
    pooled_client: AsyncClient, payloads: list[dict[str, Any]]
) -> None:
    rx = (await pooled_client.post(f"{API}/categories", json={"name": "Rx"})).json()
    north = (await pooled_client.post(f"{API}/centres", json={"name": "North"})).json()
    mara = {"name": "Mara", "category_id": rx["id"], "centre_ids": [north["id"]]}
    url = (await pooled_client.post(f"{API}/athletes", json=mara)).headers["Location"]
    for _ in range(10):
        tag = await etag_of(pooled_client, url)

        answers = await asyncio.gather(
            *(
                pooled_client.patch(url, json=payload, headers={"If-Match": tag})
                for payload in payloads
            )
        )

        assert sorted(answer.status_code for answer in answers) == [200, 412]
        (winner,) = (answer for answer in answers if answer.status_code == 200)
        assert (await pooled_client.get(url)).json() == winner.json()
        again = {"name": "Mara", "sex": None, "centre_ids": [north["id"]]}
        await pooled_client.patch(url, json=again)
