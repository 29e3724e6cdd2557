"""The calendar feed of an athlete: its secret, its end, and where it leaves no trace."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from asyncpg import Connection
from fastapi import FastAPI
from httpx import AsyncClient

from app.api.tests.gym import IDS, ROLES, add_gym
from app.application import create_app
from app.calendars.crud import NewFeed
from app.calendars.tests.conftest import NEVER, feed_of, read
from app.commands.tests.launcher import launched
from app.conftest import API, client_of, not_found, problem
from app.core.http.tests.document import Document
from app.core.resources.crud import Resource
from app.core.resources.fields import new_id
from app.core.settings import Settings
from app.identity.tests.callers import ADMIN
from app.trainings.tests.conftest import Gym, gym

__all__ = ["gym"]


def token_of(url: str) -> str:
    return url.partition("?token=")[2]


class TestLife:
    async def test_a_new_feed_replaces_the_old_one_and_a_revoked_one_ends(
        self, app: FastAPI, client: AsyncClient, document: Document, gym: Gym
    ) -> None:
        athlete = await gym.athlete()
        path = f"{API}/athletes/{athlete}/calendar-feed"

        made = [await client.post(path) for _ in range(2)]
        old, new = (one.json() for one in made)
        async with client_of(app, document, caller=None) as application:
            replaced, read_now = [await application.get(one["url"]) for one in (old, new)]
            revoked = [await client.delete(path) for _ in range(2)]
            ended = await application.get(new["url"])

        assert [one.headers["Location"] for one in made] == [path] * 2
        assert old == {
            **{name: old[name] for name in ("id", "created_at", "updated_at", "url")},
            "version": 1,
        }
        assert new == {**old, "version": 2, "updated_at": new["updated_at"], "url": new["url"]}
        assert new["url"].startswith(f"{API}/athletes/{athlete}/calendar.ics?token=")
        assert len(token_of(new["url"])) == 43
        assert read(read_now).events == []
        assert [one.status_code for one in revoked] == [204, 404]
        assert not_found(replaced)
        assert not_found(ended)
        events = (await gym.read(f"events?resource_id={new['id']}&sort=occurred_at"))["items"]
        assert [(one["type"], one["version"], one["athlete_id"]) for one in events] == [
            ("calendar_feed.created", 1, athlete),
            ("calendar_feed.replaced", 2, athlete),
            ("calendar_feed.deleted", 3, athlete),
        ]

    async def test_the_url_has_the_prefix_of_a_proxy(self, app: FastAPI, gym: Gym) -> None:
        athlete = await gym.athlete()
        transport = httpx.ASGITransport(app, root_path="/gym")

        async with AsyncClient(
            transport=transport, base_url="http://testserver", headers=ADMIN.headers
        ) as proxied:
            made = await proxied.post(f"/gym{API}/athletes/{athlete}/calendar-feed")

        assert made.json()["url"].startswith(f"/gym{API}/athletes/{athlete}/calendar.ics?token=")
        assert made.headers["Location"] == f"/gym{API}/athletes/{athlete}/calendar-feed"

    async def test_an_athlete_makes_their_own_and_no_other(
        self, app: FastAPI, client: AsyncClient, document: Document, connection: Connection
    ) -> None:
        await add_gym(connection)

        async with client_of(app, document, caller=ROLES["member"]) as member:
            feed = await feed_of(member, str(IDS["athlete"]["self"]))
            event = read(await client.get(feed["url"])).events[0]
            foreign = await member.post(f"{API}/athletes/{IDS['athlete']['own']}/calendar-feed")

        assert event.uid == str(IDS["booking"]["self"])
        assert not_found(foreign)

    async def test_a_deleted_athlete_has_no_feed_and_an_unknown_one_gets_none(
        self, client: AsyncClient, gym: Gym
    ) -> None:
        athlete = f"{API}/athletes/{await gym.athlete()}"
        feed = await feed_of(client, athlete.rpartition("/")[2])

        assert (await client.delete(athlete)).status_code == 204

        assert not_found(await client.get(feed["url"]))
        assert not_found(await client.post(f"{athlete}/calendar-feed"))
        events = (await gym.read(f"events?resource_id={feed['id']}"))["items"]
        assert [one["type"] for one in events] == ["calendar_feed.deleted", "calendar_feed.created"]

    async def test_erasing_an_athlete_deletes_the_feed_for_good(
        self, client: AsyncClient, gym: Gym, connection: Connection
    ) -> None:
        athlete = await gym.athlete()
        feed = await feed_of(client, athlete)
        url = f"{API}/athletes/{athlete}"
        before = (await client.get(f"{url}/data")).json()["calendar_feed"]

        await client.post(f"{url}/erase")
        refused = await client.post(f"{url}/calendar-feed")

        assert before == {
            name: feed[name] for name in ("id", "version", "created_at", "updated_at")
        }
        assert problem(refused) == (409, "/problems/erased", [])
        assert not_found(await client.get(feed["url"]))
        assert (await client.get(f"{url}/data")).json()["calendar_feed"] is None
        assert await connection.fetchval("SELECT count(*) FROM calendar_feeds") == 0
        events = (await gym.read(f"events?resource_id={feed['id']}"))["items"]
        assert [one["type"] for one in events] == ["calendar_feed.deleted", "calendar_feed.created"]


class TestSecret:
    async def test_what_does_not_open_a_calendar_is_one_and_the_same_404(
        self, client: AsyncClient, gym: Gym
    ) -> None:
        owner, without = await gym.athletes(2)
        token = token_of((await feed_of(client, owner))["url"])

        answers = [
            await client.get(f"{API}/athletes/{athlete}/calendar.ics", params={"token": given})
            for athlete, given in (
                (owner, NEVER),
                (owner, f"{token}x"),
                (owner, "x"),
                (without, token),
                (new_id(), token),
            )
        ]

        kept = [
            {name: one.json()[name] for name in ("type", "title", "status", "detail", "errors")}
            for one in answers
        ]
        assert all(map(not_found, answers))
        assert kept == kept[:1] * len(answers)

    async def test_it_opens_nothing_else_and_is_stored_only_as_a_hash(
        self, app: FastAPI, client: AsyncClient, gym: Gym, connection: Connection
    ) -> None:
        athlete = await gym.athlete()
        token = token_of((await feed_of(client, athlete))["url"])

        bearer = {"Authorization": f"Bearer {token}"}
        refused = await client.get(f"{API}/athletes/{athlete}", headers=bearer)
        elsewhere = await client.get(f"{API}/athletes/{athlete}/bookings?token={token}")

        assert problem(refused) == (401, "/problems/invalid-token", [])
        assert problem(elsewhere) == (422, "/problems/invalid", [("?token", "extra_forbidden")])
        assert token not in repr(NewFeed(Resource(new_id(), 1, "{}"), token))
        stored = await connection.fetchval("SELECT calendar_feeds::text FROM calendar_feeds")
        assert token not in stored
        assert token.encode().hex() not in stored

    async def test_it_is_in_no_log_line_no_problem_and_no_event(
        self,
        app: FastAPI,
        gym: Gym,
        connection: Connection,
        document: Document,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        athlete = await gym.athlete()
        debugged = create_app(Settings(_env_file=None, debug=True))
        debugged.state.database = app.state.database
        answers = []

        with every_level(caplog):
            async with client_of(debugged, document) as client:
                url = (await feed_of(client, athlete))["url"]
                for path in (url, url.replace(athlete, str(new_id())), f"{url}&x=1", f"{url}%FF"):
                    answers.append(await client.get(path))
                answers.append(await client.post(url))
                client.event_hooks = {}  # 500 is not documented
                del debugged.state.database
                answers.append(await client.get(url))

        token = token_of(url)
        assert [one.status_code for one in answers] == [200, 404, 422, 400, 405, 500]
        for answer in answers[1:]:
            assert token not in f"{answer.headers} {answer.text}"
            assert answer.json()["instance"] == answer.request.url.path
        logged = capfd.readouterr().err
        assert logged.count('"event":"request"') > len(answers)
        assert "unhandled error" in logged
        assert caplog.records
        for record in caplog.records:
            assert token not in f"{record.__dict__} {record.exc_text}"
        assert token not in logged
        journal = await connection.fetchval("SELECT string_agg(events::text, ' ') FROM events")
        assert "calendar_feed.created" in journal
        assert token not in journal

    @pytest.mark.slow  # the launcher takes a few seconds
    def test_the_launcher_does_not_log_it(self, own_database: str) -> None:
        with launched("run", "--port=0", DATABASE_URL=own_database, DEBUG="true") as launcher:
            url = launcher.url
            with httpx.Client(base_url=url, headers=ADMIN.headers, trust_env=False) as api:
                category = api.post(f"{API}/categories", json={"name": "Rx"}).json()["id"]
                mara = {"name": "Mara", "category_id": category}
                athlete = api.post(f"{API}/athletes", json=mara).json()["id"]
                url = api.post(f"{API}/athletes/{athlete}/calendar-feed").json()["url"]
                codes = [api.get(path).status_code for path in (url, f"{url}x", f"{url}&x=1")]

        assert codes == [200, 404, 422]
        assert "calendar.ics" in launcher.output
        assert token_of(url) not in launcher.output


@contextmanager
def every_level(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Capture the records of all loggers at every level, but for those of the client."""
    of_client = ("httpx", "httpcore")
    names = [name for name in logging.root.manager.loggerDict if not name.startswith(of_client)]
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(1)
    with caplog.at_level(1):
        yield
    for logger, level in before:
        logger.setLevel(level)
