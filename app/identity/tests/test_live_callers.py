"""The two conditions for a live token: that of a lookup, and that of statements that write."""

from typing import Any

import pytest
from asyncpg import Connection
from httpx import AsyncClient

from app.conftest import API, problem
from app.identity.tests.callers import ADMIN, MEMBER
from app.identity.tokens.callers import _find_query

CHANGES = {
    "nothing": "SELECT",
    "expired": "UPDATE tokens SET expires_at = statement_timestamp()",
    "revoked": "UPDATE tokens SET revoked_at = statement_timestamp()",
    "disabled": "UPDATE accounts SET disabled_at = statement_timestamp()",
    "not idle": "UPDATE tokens SET last_used_at = now() - interval '6 days 23 hours'",
    "idle": "UPDATE tokens SET last_used_at = now() - interval '7 days 1 second'",
    "idle and never used": """
        UPDATE tokens SET last_used_at = NULL, created_at = now() - interval '7 days 1 second'
    """,
    "no administrators": "UPDATE accounts SET is_admin = false",
    "deleted": "DELETE FROM tokens",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_both_conditions_find_the_same_callers(connection: Connection, change: str) -> None:
    await connection.execute(change)

    found = await connection.fetch(_find_query().text, [ADMIN.id, MEMBER.id])
    live = await connection.fetch("SELECT id, is_admin FROM live_callers")

    assert {(row["id"], bool(row["is_admin"])) for row in found} == {
        (row["id"], row["is_admin"]) for row in live
    }


WRITES = [
    ("POST", "/categories", {"name": "New"}),
    ("PATCH", "/categories/{id}", {"name": "New"}),
    ("DELETE", "/categories/{id}", None),
]


class TestWrites:
    @pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=["create", "update", "delete"])
    @pytest.mark.parametrize(
        ("change", "answer"),
        [
            ("expired", (401, "/problems/invalid-token", [])),
            ("disabled", (401, "/problems/invalid-token", [])),
            ("no administrators", (404, "/problems/not-found", [])),
        ],
    )
    async def test_a_caller_who_was_just_found_is_checked_again(
        self,
        client: AsyncClient,
        connection: Connection,
        method: str,
        path: str,
        body: Any,
        change: str,
        answer: object,
    ) -> None:
        made = (await client.post(f"{API}/categories", json={"name": "Rx"})).json()
        rows = "SELECT array_agg(categories::text) FROM categories"
        before = await connection.fetchval(rows)
        await connection.execute(CHANGES[change])

        # A unique value that is taken tells nothing either.
        for payload in (body, body and {"name": "Rx"}):
            url = f"{API}{path.format(**made)}"
            response = await client.request(method, url, json=payload)
            if method == "POST" and change == "no administrators":
                answer = 403, "/problems/forbidden", []
            assert problem(response) == answer

        assert await connection.fetchval(rows) == before
