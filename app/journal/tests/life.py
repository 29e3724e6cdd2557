"""A scripted life of every kind of row, over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from httpx import AsyncClient

from app.conftest import API, Json
from app.identity.tests.callers import MEMBER, PASSWORD

NEW_PASSWORD = "a brand new password"  # noqa: S105 - of an account in tests
VISITOR = {"Authorization": ""}


class Life:
    """Sends requests, and keeps what their bodies contain."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self.values: set[str] = set()
        """All text in the bodies, but for ids."""

    async def send(self, method: str, path: str, body: Json | None = None, **headers: str) -> Json:
        """Send a request that must succeed; return the body of the response."""
        self.values |= set(_texts(body))
        response = await self._client.request(method, f"{API}/{path}", json=body, headers=headers)
        assert response.is_success, response.text
        read: Json = response.json() if response.content else {}
        return read

    async def create(self, path: str, **body: Any) -> str:
        """Create a row and return its id."""
        return str((await self.send("POST", path, body))["id"])

    async def run(self) -> None:
        """Create, change and delete rows of every kind."""
        category, north, south, athletes = await self._people()
        await self._trainings(north, athletes)
        await self._access(south, athletes[3])
        for path in (f"athletes/{athletes[3]}", f"athletes/{athletes[4]}", f"centres/{south}"):
            await self.send("DELETE", path)
        await self.send("DELETE", f"categories/{await self.create('categories', name='Gone')}")
        await self.send("PATCH", f"categories/{category}", {"description": "Light loads"})

    async def _people(self) -> tuple[str, str, str, list[str]]:
        category = await self.create("categories", name="Scaled loads")
        north = await self.create("centres", name="Northside", owner="Olga Owns")
        south = await self.create("centres", name="Southside")
        await self.send("PATCH", f"centres/{north}", {"capacity": 40, "address": "Harbour Street"})
        athletes = [
            await self.create("athletes", name=f"Lea Person {n}", category_id=category)
            for n in range(5)
        ]
        lea = f"athletes/{athletes[0]}"
        changes = {"email": "lea@example.com", "sex": "female", "birth_date": "1990-12-31"}
        for body in (changes, changes, {"centre_ids": [north, south]}, {"centre_ids": [south]}):
            await self.send("PATCH", lea, body)
        for method in ("PUT", "PUT", "DELETE"):
            await self.send(method, f"{lea}/centres/{north}")
        await self.send("PATCH", lea, {"centre_ids": []})
        lines = "reference,name,category,centres\nM-77,Ida Import,Rx-er,Eastside;Northside\n"
        for name in ("Ida Import", "Ida Changed"):
            imported = await self._client.post(
                f"{API}/athletes/import",
                content=lines.replace("Ida Import", name),
                headers={"Content-Type": "text/csv"},
            )
            assert imported.json()["rejected"] == 0, imported.text
        self.values |= {"Ida Import", "Ida Changed", "M-77", "Rx-er", "Eastside"}
        return category, north, south, athletes

    async def _trainings(self, centre: str, athletes: list[str]) -> None:
        begin = datetime.now(UTC) + timedelta(minutes=30)
        times = {
            "starts_at": begin.isoformat(),
            "ends_at": (begin + timedelta(hours=1)).isoformat(),
        }
        plan = {"centre_id": centre, "capacity": 1, **times}
        training = await self.create("trainings", name="Partner workout", **plan)
        bookings = [
            await self.create(f"trainings/{training}/bookings", athlete_id=athlete)
            for athlete in athletes[:3]
        ]
        await self.send("POST", f"bookings/{bookings[0]}/check-in")
        await self.send("POST", f"bookings/{bookings[0]}/check-out")
        await self.send("PATCH", f"trainings/{training}", {"capacity": 2, "coach": "Carl Coaches"})
        await self.send("POST", f"bookings/{bookings[1]}/cancel")
        await self.send("POST", f"bookings/{bookings[1]}/cancel")
        other = await self.create("trainings", name="Open hour", **plan)
        await self.create(f"trainings/{other}/bookings", athlete_id=athletes[1])
        await self.send("POST", f"trainings/{other}/cancel")
        unused = await self.create("trainings", name="Nobody came", **plan)
        await self.send("DELETE", f"trainings/{unused}")

    async def _access(self, centre: str, athlete: str) -> None:
        invited = {"email": "lou@example.com", "centre_id": centre, "role": "owner"}
        await self.create("invitations", **invited)
        code = (await self.send("POST", "invitations", invited))["code"]
        accepted = {"code": code, "password": PASSWORD}
        session = await self.send("POST", "invitations/accept", accepted, **VISITOR)
        token = {"Authorization": f"Bearer {session['token']}"}
        account = session["account"]["id"]
        login = {"email": "lou@example.com", "password": PASSWORD}
        await self.send("POST", "sessions", login, **VISITOR)
        await self.send("PATCH", f"accounts/{account}", {"email": "lou@other.example"})
        await self.send("PUT", "me/password", {"current": PASSWORD, "new": NEW_PASSWORD}, **token)
        for role in ("desk", "desk", "owner"):
            await self.send("PUT", f"centres/{centre}/staff/{account}", {"role": role})
        await self.send("DELETE", f"centres/{centre}/staff/{account}")
        for person in (account, MEMBER.id):
            await self.send("PUT", f"centres/{centre}/staff/{person}", {"role": "desk"})
        reset = (await self.send("POST", f"accounts/{account}/reset"))["code"]
        await self.send("POST", "resets/accept", {"code": reset, "password": PASSWORD}, **VISITOR)
        named = {"name": "Website", "scopes": ["athletes:read"], "expires_in_days": 9}
        await self.send("DELETE", f"tokens/{await self.create('tokens', **named)}")
        await self.send(
            "DELETE", f"devices/{await self.create(f'centres/{centre}/devices', name='Tablet')}"
        )
        feed = f"athletes/{athlete}/calendar-feed"
        for method in ("POST", "POST", "DELETE", "POST"):
            await self.send(method, feed)
        # These end with their centre, or with their athlete.
        await self.create(f"centres/{centre}/devices", name="Kiosk")
        await self.create("invitations", email="max@example.com", athlete_id=athlete)
        await self.send("PATCH", f"accounts/{account}", {"athlete_id": athlete})
        for disabled in (True, False):
            await self.send("PATCH", f"accounts/{account}", {"disabled": disabled})


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            if not name.endswith(("_id", "_ids")):
                yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value
