"""Administrators and keys that commands make, and the token of the first administrator."""

import asyncio
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import asyncpg
import httpx
import jwt
import pytest

from app.commands.database import database_url
from app.commands.identity import make_admin, rotate_keys
from app.commands.serve import run as run_module
from app.commands.serve.run import AnnouncedServer, serve
from app.conftest import API, execute, patient, problem, served
from app.core.db.pool import connected
from app.identity.bootstrap import FIRST, keep_first_token
from app.identity.models import SCOPES
from app.identity.tests.callers import ADMIN, MEMBER, Known

PASSWORD = "owls in the gym"  # noqa: S105 - of an account of a test
Captured = pytest.CaptureFixture[str]
Result = TypeVar("Result")


@pytest.fixture
def local(own_database: str) -> Iterator[str]:
    """Let commands use the test's own database."""
    with database_url(own_database):
        yield own_database


def at(url: str, work: Callable[[httpx.AsyncClient], Awaitable[Result]]) -> Result:
    """Do some work with a client of an app on a database."""

    async def done() -> Result:
        async with served(patient(url)) as client:
            return await work(client)

    return asyncio.run(done())


async def fetch(url: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(query)
    await connection.close()
    return [tuple(row) for row in rows]


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    return asyncio.run(fetch(url, query))


def accept(url: str, code: str) -> httpx.Response:
    """Set the password of an account with a code."""
    body = {"code": code, "password": PASSWORD}
    return at(url, lambda client: client.post(f"{API}/resets/accept", json=body))


class TestAdmin:
    def test_a_new_administrator_sets_the_password_with_the_code(
        self, local: str, capsys: Captured
    ) -> None:
        make_admin("Mia@Example.com")

        message, code = capsys.readouterr().out.splitlines()
        assert message.startswith("Mia@example.com is an administrator. Set the password before ")
        assert message.endswith(f": POST {API}/resets/accept with this code and a password.")
        accepted = accept(local, code)
        assert accepted.status_code == 201, accepted.text
        account = accepted.json()["account"]
        assert (account["email"], account["is_admin"]) == ("Mia@example.com", True)
        again = accept(local, code)
        assert problem(again) == (422, "/problems/invalid", [("/code", "not_valid")])

    @pytest.mark.parametrize(
        ("known", "change"),
        [
            (MEMBER, "UPDATE accounts SET version = version"),
            (ADMIN, "UPDATE accounts SET is_admin = false"),
            (ADMIN, "UPDATE accounts SET disabled_at = now()"),
            (ADMIN, "UPDATE accounts SET disabled_at = now(), is_admin = false"),
        ],
        ids=["a member", "demoted", "disabled", "both"],
    )
    def test_an_existing_account_is_restored(
        self, local: str, capsys: Captured, known: Known, change: str
    ) -> None:
        asyncio.run(execute(local, change))

        make_admin(known.email.upper())

        _, code = capsys.readouterr().out.splitlines()
        found = rows(local, "SELECT id, is_admin, disabled_at FROM accounts")
        assert len(found) == 2
        assert (known.id, True, None) in found
        assert accept(local, code).status_code == 201

    @pytest.mark.parametrize("email", ["ana", "ana@", "ana@example.com,bo@example.com", ""])
    def test_what_is_no_email_address_is_an_error(self, local: str, email: str) -> None:
        with pytest.raises(SystemExit, match=rf"^error: {email} is not an email address$"):
            make_admin(email)


def test_after_a_rotation_the_old_key_is_published_and_the_new_one_signs(
    local: str, capsys: Captured
) -> None:
    async def issued(client: httpx.AsyncClient) -> tuple[str, list[str]]:
        made = await client.post(f"{API}/sessions/current/jwt", headers=MEMBER.headers)
        published = await client.get("/.well-known/jwks.json")
        return made.json()["jwt"], [key["kid"] for key in published.json()["keys"]]

    old_jwt, (old,) = at(local, issued)
    rotate_keys(at_once=False)
    new_jwt, published = at(local, issued)

    said = capsys.readouterr().out
    new = said.split()[1]
    assert said.startswith(f"Key {new} signs from now on. The others are published for ")
    assert published == [new, old]
    assert [jwt.get_unverified_header(one)["kid"] for one in (old_jwt, new_jwt)] == [old, new]
    for one in (old_jwt, new_jwt):
        assert asyncio.run(me(local, one)).json()["account"]["id"] == str(MEMBER.id)


async def keep(url: str, folder: Path) -> Path | None:
    """Keep the first token, as a process of `run` does."""
    async with connected(patient(url), 1) as database:
        return await keep_first_token(database, folder)


async def me(url: str, token: str) -> httpx.Response:
    """Ask the service whose token it is."""
    headers = {"Authorization": f"Bearer {token.strip()}"}
    async with served(patient(url)) as client:
        return await client.get(f"{API}/me", headers=headers)


def files(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


class TestFirstToken:
    @pytest.fixture
    async def empty(self, own_database: str) -> str:
        """Provide a database without accounts."""
        await execute(own_database, "DELETE FROM accounts")
        return own_database

    async def test_a_fresh_database_gets_an_administrator_and_a_token_in_a_private_file(
        self, empty: str, tmp_path: Path
    ) -> None:
        (tmp_path / ".admin-token.new").write_text("left by a process that was killed")

        file = await keep(empty, tmp_path)

        assert file == tmp_path / "admin-token"
        assert files(tmp_path) == ["admin-token"]
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        caller = (await me(empty, file.read_text())).json()
        assert (caller["account"]["email"], caller["account"]["is_admin"]) == (FIRST, True)
        assert (caller["token"]["kind"], caller["scopes"]) == ("personal", list(SCOPES))

    async def test_a_live_token_is_kept(self, empty: str, tmp_path: Path) -> None:
        file = await keep(empty, tmp_path)
        assert file
        token = file.read_text()

        assert await keep(empty, tmp_path) == file

        assert file.read_text() == token
        assert await fetch(empty, "SELECT count(*) FROM tokens") == [(1,)]

    async def test_processes_that_start_at_once_make_one_account(
        self, empty: str, tmp_path: Path
    ) -> None:
        files = await asyncio.gather(*(keep(empty, tmp_path) for _ in range(4)))

        assert files == [tmp_path / "admin-token"] * 4
        assert await fetch(empty, "SELECT email FROM accounts") == [(FIRST,)]
        assert await fetch(empty, "SELECT count(*) FROM tokens") == [(1,)]
        assert (await me(empty, (tmp_path / "admin-token").read_text())).status_code == 200

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE tokens SET expires_at = now() - interval '1 second'",
            "UPDATE tokens SET expires_at = now() + interval '29 days'",
            "UPDATE tokens SET revoked_at = now()",
            "UPDATE tokens SET secret_hash = sha256('')",
            "DELETE FROM tokens",
        ],
    )
    async def test_a_token_that_does_not_live_long_is_replaced(
        self, empty: str, tmp_path: Path, change: str
    ) -> None:
        file = await keep(empty, tmp_path)
        assert file
        token = file.read_text()
        await execute(empty, change)

        assert await keep(empty, tmp_path) == file

        assert file.read_text() != token
        assert (await me(empty, file.read_text())).status_code == 200
        assert await fetch(empty, "SELECT count(*) FROM accounts") == [(1,)]

    @pytest.mark.parametrize("content", [None, b"", b"cfs_1_2\n", b"\xff" * 5000])
    async def test_a_file_that_is_lost_or_broken_is_replaced(
        self, empty: str, tmp_path: Path, content: bytes | None
    ) -> None:
        file = await keep(empty, tmp_path)
        assert file
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)

        assert await keep(empty, tmp_path) == file

        assert (await me(empty, file.read_text())).status_code == 200
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    @pytest.mark.parametrize(
        "change",
        ["UPDATE accounts SET disabled_at = now()", "UPDATE accounts SET is_admin = false"],
    )
    async def test_a_first_administrator_who_is_one_no_more_gets_no_new_token(
        self, empty: str, tmp_path: Path, change: str
    ) -> None:
        file = await keep(empty, tmp_path)
        assert file
        file.unlink()
        await execute(empty, change)

        assert await keep(empty, tmp_path) is None

        assert files(tmp_path) == []
        assert await fetch(empty, "SELECT count(*) FROM tokens") == [(1,)]

    async def test_a_database_that_has_other_accounts_gets_no_administrator(
        self, own_database: str, tmp_path: Path
    ) -> None:
        assert await keep(own_database, tmp_path) is None

        assert files(tmp_path) == []
        assert await fetch(own_database, "SELECT count(*) FROM accounts") == [(2,)]


def test_run_makes_no_account_in_a_database_of_another_server(
    local: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    asyncio.run(execute(local, "DELETE FROM accounts"))
    served: list[object] = []
    monkeypatch.setattr(AnnouncedServer, "run", lambda self, sockets: served.append(sockets))
    monkeypatch.setattr(run_module, "configure_logs", lambda **_: None)
    monkeypatch.setattr(run_module, "_raise_limit_of_files", lambda number: None)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))

    with database_url(local):
        serve("127.0.0.1", 0, 1, False)

    assert len(served) == 1
    assert rows(local, "SELECT count(*) FROM accounts") == [(0,)]
    assert files(tmp_path) == []
    assert "token" not in capsys.readouterr().out
