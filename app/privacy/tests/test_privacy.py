"""All that is stored about a person, and erasing it."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest
from httpx import AsyncClient

from app.athletes.files.tests.conftest import counts, post_csv
from app.competitions.tests.conftest import Throwdown
from app.conftest import API, not_found, problem, unavailable
from app.core.resources.fields import new_id
from app.identity.tests.callers import ADMIN, MEMBER
from app.privacy.tests.conftest import (
    BOOKING,
    CREATION,
    MARA,
    PRIVATE,
    TRACES,
    Person,
    dump,
    found_in,
)
from app.trainings.tests.conftest import Gym

ERASED: tuple[int, str, list[tuple[str, str]]] = (409, "/problems/erased", [])
ERASED_ATHLETE = (409, "/problems/erased", [("/athlete_id", "erased")])


async def erase(client: AsyncClient, athlete_id: str) -> None:
    response = await client.post(f"{API}/athletes/{athlete_id}/erase")
    assert response.status_code == 204, response.text


async def exported(client: AsyncClient) -> str:
    return (await client.get(f"{API}/athletes/export")).text


class TestData:
    async def test_the_document_has_all_that_is_stored(
        self, client: AsyncClient, gym: Gym, mara: Person
    ) -> None:
        response = await client.get(f"{API}/athletes/{mara.id}/data")

        data: Any = response.json()
        again = {"If-None-Match": response.headers["ETag"]}
        athlete = await gym.read(f"athletes/{mara.id}")
        centres = athlete.pop("centres")
        assert response.status_code == 200
        assert data["athlete"] == {**athlete, "erased_at": None}
        assert [one["centre"] for one in data["enrolments"]] == centres
        bookings = (await gym.read(f"athletes/{mara.id}/bookings"))["items"]
        of_training = {"athlete", "no_show", "expired", "drop_in"}
        assert data["bookings"] == [
            {name: value for name, value in one.items() if name not in of_training}
            for one in bookings
        ]
        assert data["account"] == await gym.read(f"accounts/{mara.account_id}")
        assert [(one["centre"], one["role"]) for one in data["roles"]] == [(centres[0], "coach")]
        kinds = [(one["kind"], one["name"]) for one in data["tokens"]]
        assert kinds == [("session", None), ("personal", "Phone of Mara"), ("session", None)]
        assert [one["closed_at"] for one in data["resets"]] == [None]
        invited = [(one["email"], one["closed_at"] is None) for one in data["invitations"]]
        assert invited == [(PRIVATE, False), (MARA["email"], True)]
        answers = [one["body"] for one in data["stored_answers"]]
        assert answers == [athlete | {"centres": centres}, bookings[1], None]
        assert list(found_in(response.text)) == list(TRACES)
        known = await client.get(f"{API}/athletes/{mara.id}/data", headers=again)
        assert known.status_code == 304

    async def test_an_unknown_athlete_is_not_found(self, client: AsyncClient) -> None:
        url = f"{API}/athletes/{new_id()}"
        assert not_found(await client.get(f"{url}/data"))
        assert not_found(await client.post(f"{url}/erase"))


class TestErase:
    async def test_nothing_of_the_person_is_left(
        self,
        capfd: pytest.CaptureFixture[str],  # before the person, to see every line
        client: AsyncClient,
        gym: Gym,
        mara: Person,
        connection: asyncpg.Connection,
    ) -> None:
        assert list(found_in(await dump(connection))) == list(TRACES)
        before = await gym.read(f"athletes/{mara.id}")
        limits = "SELECT count(*) FROM login_limits"
        assert await connection.fetchval(limits) == 4  # two addresses, their network, a pair

        await erase(client, mara.id)

        assert not list(found_in(await dump(connection)))
        export = await exported(client)
        assert not list(found_in(export))
        assert mara.id not in export
        assert await connection.fetchval(limits) == 1
        after = await gym.read(f"athletes/{mara.id}")
        assert after == {
            **dict.fromkeys(MARA),
            **{name: before[name] for name in ("id", "category", "created_at")},
            "name": "erased",
            "centres": [],
            "version": before["version"] + 1,
            "updated_at": after["updated_at"],
        }
        assert not_found(await client.get(f"{API}/accounts/{mara.account_id}"))
        assert (await client.get(f"{API}/me", headers=mara.session)).status_code == 401
        data = await gym.read(f"athletes/{mara.id}/data")
        assert data["athlete"]["erased_at"] == after["updated_at"]
        assert [data[part] for part in ("account", "tokens", "invitations")] == [None, [], []]
        await erase(client, mara.id)
        assert await gym.read(f"athletes/{mara.id}") == after
        logged = capfd.readouterr().err
        assert mara.id not in logged
        assert logged.count('"event":"request"') > 20
        assert not list(found_in(logged))

    async def test_bookings_are_kept_for_the_count_and_free_seats_go_to_the_waitlist(
        self, client: AsyncClient, gym: Gym, mara: Person
    ) -> None:
        await erase(client, mara.id)

        assert await gym.statuses(mara.past) == ["checked_in"]
        assert await gym.statuses(mara.future) == ["cancelled", "reserved"]
        assert await gym.seats(mara.past) == (10, 1, 0, 9)
        assert await gym.seats(mara.future) == (1, 1, 0, 0)
        bookings = (await gym.read(f"athletes/{mara.id}/bookings"))["items"]
        assert [one["athlete"] for one in bookings] == [{"id": mara.id, "name": "erased"}] * 2

    async def test_a_retry_of_a_request_does_not_create_the_person_again(
        self, client: AsyncClient, mara: Person, connection: asyncpg.Connection
    ) -> None:
        booking = f"{API}/trainings/{mara.future['id']}/bookings"
        count = "SELECT (SELECT count(*) FROM athletes) + (SELECT count(*) FROM bookings)"
        before = await connection.fetchval(count)

        await erase(client, mara.id)
        created = await client.post(f"{API}/athletes", json=mara.created, headers=CREATION)
        booked = await client.post(booking, json={"athlete_id": mara.id}, headers=BOOKING)

        assert (problem(created), problem(booked)) == (ERASED, ERASED)
        assert await connection.fetchval(count) == before
        owners = await connection.fetch("SELECT DISTINCT owner FROM idempotency_keys")
        assert [tuple(row) for row in owners] == [(ADMIN.id,)]

    async def test_an_erased_athlete_is_refused_in_each_write(
        self, client: AsyncClient, gym: Gym, mara: Person
    ) -> None:
        athlete = f"{API}/athletes/{mara.id}"
        person = {"athlete_id": mara.id}
        await erase(client, mara.id)

        for fields in ({"name": "erased"}, {"weight_kg": 70}, {"centre_ids": [gym.centre_id]}):
            assert problem(await client.patch(athlete, json=fields)) == ERASED
        assert problem(await client.put(f"{athlete}/centres/{gym.centre_id}")) == ERASED
        assert problem(await gym.ask(mara.future, mara.id)) == ERASED_ATHLETE
        invitation = {"email": "lea@example.com", **person}
        invited = await client.post(f"{API}/invitations", json=invitation)
        assert problem(invited) == ERASED_ATHLETE
        linked = await client.patch(f"{API}/accounts/{MEMBER.id}", json=person)
        assert problem(linked) == ERASED_ATHLETE

    async def test_an_import_of_an_old_export_creates_somebody_new(
        self, client: AsyncClient, gym: Gym, mara: Person
    ) -> None:
        old = await exported(client)
        await erase(client, mara.id)
        erased = await gym.read(f"athletes/{mara.id}")

        imports = [await post_csv(client, old, {"dry_run": dry}) for dry in ("true", "false")]

        for report in imports:
            assert counts(report.json()) == {"read": 2, "created": 1, "unchanged": 1}
        (new,) = (await gym.read("athletes?reference=M-1042"))["items"]
        assert (new["name"], new["id"] != mara.id) == (MARA["name"], True)
        assert await gym.read(f"athletes/{mara.id}") == erased
        again = await post_csv(client, old)
        assert counts(again.json()) == {"read": 2, "unchanged": 2}

    async def test_an_erasure_gives_up_if_others_keep_booking(
        self, client: AsyncClient, mara: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as changed:
            changed.setattr("app.privacy.crud.ROUNDS", 1)
            refused = await client.post(f"{API}/athletes/{mara.id}/erase")

        assert unavailable(refused).startswith("Other requests keep booking")
        await erase(client, mara.id)

    async def test_the_last_administrator_is_not_erased(
        self, client: AsyncClient, gym: Gym, mara: Person, connection: asyncpg.Connection
    ) -> None:
        await connection.execute(
            "UPDATE accounts SET is_admin = id = $1 WHERE id <> $2", UUID(mara.account_id), ADMIN.id
        )
        await client.patch(f"{API}/accounts/{ADMIN.id}", json={"is_admin": False})

        refused = await client.post(f"{API}/athletes/{mara.id}/erase", headers=mara.session)

        assert problem(refused) == (409, "/problems/last-admin", [])
        assert (await client.get(f"{API}/me", headers=mara.session)).is_success
        assert (
            await connection.fetchval(
                "SELECT count(*) FROM bookings WHERE cancelled_at IS NOT NULL"
            )
            == 0
        )


class TestResults:
    async def test_results_stay_on_the_board_without_the_person(
        self, client: AsyncClient, gym: Gym, mara: Person, connection: asyncpg.Connection
    ) -> None:
        throwdown = await Throwdown.planned(client, gym.create)
        throwdown.category_id = gym.category_id
        await throwdown.act("open")
        event = await throwdown.event()
        path = f"competitions/{throwdown.competition['id']}/entries"
        entry = await gym.create(path, {"athlete_id": mara.id})
        texts = {"notes": "Mara's knee", "video_url": "https://video.example.com/lindqvist"}
        result = await throwdown.put(event, entry, "6:21", **texts)
        url = f"{API}/results/{result['id']}"
        review = {"review": "adjusted", "score": "6:31", "reason": "Mara missed a rep."}
        assert (await client.post(f"{url}/review", json=review)).status_code == 200
        adjusted = (await client.get(url)).json()
        logged = {
            "athlete_id": mara.id,
            "workout_id": event["workout"]["id"],
            "centre_id": gym.centre_id,
            "score": "7:00",
            "notes": "Mara again",
        }
        key = {"Idempotency-Key": "result"}
        at_centre = await client.post(f"{API}/results", json=logged, headers=key)
        assert at_centre.status_code == 201

        data = await gym.read(f"athletes/{mara.id}/data")
        stored = [
            {name: value for name, value in one.items() if name != "athlete"}
            for one in (adjusted, at_centre.json())
        ]
        entered = {name: value for name, value in entry.items() if name != "athlete"}
        assert data["entries"] == [entered]
        assert data["results"] == stored

        await erase(client, mara.id)

        assert not list(found_in(await dump(connection)))
        (row,) = (await throwdown.board())["items"]
        assert row["athlete"] == {"id": mara.id, "name": "erased"}
        assert (row["rank"], row["events"][0]["score"]) == (1, "6:31")
        (change,) = (await client.get(f"{url}/changes")).json()["items"]
        assert (change["reason"], change["after"]["score"]) == (None, "6:31")
        after = (await client.get(url)).json()
        assert after == {
            **adjusted,
            **dict.fromkeys(texts),
            "athlete": row["athlete"],
            "version": 3,
            "updated_at": after["updated_at"],
        }
        again = await client.post(f"{API}/results", json=logged, headers=key)
        assert problem(again) == ERASED
        assert problem(await client.post(f"{API}/results", json=logged)) == ERASED_ATHLETE
        writes = [
            await client.patch(url, json={"notes": "Mara"}),
            await client.put(
                f"{API}/competition-events/{event['id']}/results/{entry['id']}",
                json={"score": "6:31", "notes": "Mara"},
            ),
        ]
        assert [problem(response) for response in writes] == [ERASED] * 2
        corrected = await client.patch(url, json={"score": "6:41"})
        assert (corrected.status_code, corrected.json()["score"]) == (200, "6:41")
