"""Wrong logins are delayed, but nobody is locked out."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import asyncpg
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from httpx import AsyncClient, Response
from pydantic import SecretStr

from app.conftest import API, client_of, lock_waiters, patient, problem, served
from app.core.db import transactions
from app.core.http.tests.document import Document
from app.identity.login.throttle import FORGOTTEN_AT_ONCE, OF_ADDRESS, OF_NETWORK
from app.identity.passwords import Passwords
from app.identity.tests.callers import ADMIN, MEMBER, PASSWORD

URL = f"{API}/sessions"
WRONG = "a wrong password, long enough"
NOBODY = "nobody@example.com"
HOME, GYM, ELSEWHERE = "198.51.100.7", "203.0.113.9", "192.0.2.66"

SECOND = timedelta(seconds=1)


class Networks:
    """Clients of one app, on different networks."""

    def __init__(self, app: FastAPI, document: Document, stack: AsyncExitStack) -> None:
        self._app, self._document, self._stack = app, document, stack
        self._clients: dict[str, AsyncClient] = {}

    async def client(self, address: str) -> AsyncClient:
        if address not in self._clients:
            client = client_of(self._app, self._document, address, caller=None)
            self._clients[address] = await self._stack.enter_async_context(client)
        return self._clients[address]

    async def log_in(
        self,
        address: str,
        email: str = MEMBER.email,
        password: str = WRONG,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """Log in from a network."""
        return await log_in(await self.client(address), email, password, headers)


@pytest.fixture
async def networks(
    app: FastAPI, document: Document, client: AsyncClient
) -> AsyncIterator[Networks]:
    """Provide clients on different networks, in the transaction of this test."""
    async with AsyncExitStack() as stack:
        yield Networks(app, document, stack)


@pytest.fixture
def no_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find every password wrong at once, for tests of very many attempts."""

    async def matches(self: Passwords, stored: str | None, password: SecretStr) -> bool:
        return False

    monkeypatch.setattr(Passwords, "matches", matches)


async def log_in(
    client: AsyncClient,
    email: str = MEMBER.email,
    password: str = WRONG,
    headers: dict[str, str] | None = None,
) -> Response:
    login = {"email": email, "password": password}
    return await client.post(URL, json=login, headers=headers)


def is_wrong(response: Response) -> bool:
    """Return whether an attempt was accepted and the password was wrong."""
    return (
        response.status_code == 401
        and problem(response) == (401, "/problems/wrong-credentials", [])
        and response.headers["WWW-Authenticate"] == "Bearer"
        and response.json()["detail"] == "No enabled account has this email address and password."
    )


def retry_after(response: Response) -> int:
    """Return after how many seconds an attempt may be repeated that came too early."""
    assert problem(response) == (429, "/problems/too-many-attempts", [])
    assert response.json()["detail"] == (
        "Too many attempts to log in with this address or from this network; try later."
    )
    return int(response.headers["Retry-After"])


async def add_attempts(connection: asyncpg.Connection, number: int) -> None:
    """Count further attempts with the addresses that have just been used."""
    await connection.execute(
        "UPDATE login_limits SET next_at = next_at + $1::interval"
        " WHERE next_at > statement_timestamp() + interval '3 seconds'",  # not the networks
        number * OF_ADDRESS.interval,
    )


async def wait_is(connection: asyncpg.Connection, wait: timedelta) -> None:
    """Set the counts of addresses so that one more attempt is accepted after some time."""
    await connection.execute(
        "UPDATE login_limits SET next_at = statement_timestamp() + $1::interval"
        " WHERE next_at > statement_timestamp() + interval '3 seconds'",  # not the networks
        OF_ADDRESS.room + wait,
    )


async def wait_of_network_is(connection: asyncpg.Connection, wait: timedelta) -> None:
    """Set all counts so that a network has room for one more attempt after some time."""
    await connection.execute(
        "UPDATE login_limits SET next_at = statement_timestamp() + $1::interval",
        OF_NETWORK.room + wait,
    )


async def counts(connection: asyncpg.Connection) -> int:
    number: int = await connection.fetchval("SELECT count(*) FROM login_limits")
    return number


class TestAnswers:
    @pytest.mark.parametrize("state", ["wrong password", "unknown", "disabled", "no password"])
    async def test_every_refused_login_gets_one_answer_after_one_hash(
        self,
        networks: Networks,
        connection: asyncpg.Connection,
        monkeypatch: pytest.MonkeyPatch,
        state: str,
    ) -> None:
        if state == "disabled":
            await connection.execute("UPDATE accounts SET disabled_at = now()")
        if state == "no password":
            await connection.execute("UPDATE accounts SET password_hash = NULL")
        email = NOBODY if state == "unknown" else MEMBER.email
        password = WRONG if state == "wrong password" else PASSWORD
        costs, verify = [], PasswordHasher.verify

        def counted(self: PasswordHasher, stored: str, given: str) -> bool:
            costs.append(stored.rpartition("$")[0].rpartition("$")[0])
            return verify(self, stored, given)

        monkeypatch.setattr(PasswordHasher, "verify", counted)

        assert is_wrong(await networks.log_in(HOME, email, password))

        assert costs == ["$argon2id$v=19$m=19456,t=2,p=1"]

    async def test_a_hash_of_other_costs_is_renewed_by_a_login(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
        await connection.execute(
            "UPDATE accounts SET password_hash = $1 WHERE id = $2", weak, MEMBER.id
        )

        assert (await networks.log_in(HOME, password=PASSWORD)).status_code == 201

        stored = await connection.fetchval(
            "SELECT password_hash FROM accounts WHERE id = $1", MEMBER.id
        )
        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert (await networks.log_in(HOME, password=PASSWORD)).status_code == 201


class TestAddress:
    @pytest.mark.parametrize("email", [MEMBER.email, NOBODY])
    async def test_wrong_attempts_with_an_address_are_delayed_whether_or_not_it_has_an_account(
        self, networks: Networks, email: str
    ) -> None:
        for number in range(OF_ADDRESS.at_once):
            assert is_wrong(await networks.log_in(f"192.0.2.{number}", email))

        wait = retry_after(await networks.log_in(HOME, email))

        assert OF_ADDRESS.interval - 20 * SECOND < wait * SECOND <= OF_ADDRESS.interval

    async def test_an_attempt_is_accepted_after_the_time_in_retry_after(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        await networks.log_in(HOME)

        await wait_is(connection, 30 * SECOND)
        assert retry_after(await networks.log_in(HOME, password=PASSWORD)) in {29, 30}
        await wait_is(connection, 2 * SECOND)
        assert retry_after(await networks.log_in(HOME, password=PASSWORD)) in {1, 2}
        await wait_is(connection, 0 * SECOND)
        accepted = await networks.log_in(HOME, password=PASSWORD)

        assert accepted.status_code == 201
        assert accepted.json()["account"] == {
            "id": str(MEMBER.id),
            "email": MEMBER.email,
            "is_admin": False,
        }

    async def test_one_interval_accepts_one_attempt(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        await networks.log_in(HOME)

        await wait_is(connection, 0 * SECOND)

        assert is_wrong(await networks.log_in(HOME))
        assert OF_ADDRESS.interval / SECOND == 30
        assert retry_after(await networks.log_in(HOME)) in {29, 30}

    async def test_a_refused_attempt_counts_neither_for_the_address_nor_for_the_network(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        await networks.log_in(HOME)
        await add_attempts(connection, OF_ADDRESS.at_once)
        before = await connection.fetch("SELECT * FROM login_limits ORDER BY key")

        for _ in range(3):
            retry_after(await networks.log_in(HOME, password=PASSWORD))

        assert await connection.fetch("SELECT * FROM login_limits ORDER BY key") == before

    @pytest.mark.parametrize(
        "twin",
        [
            "BEN@EXAMPLE.COM",
            "  ben@example.com\t",
            "ben@EXAMPLE.com",
            "b\u00aden@example.com",
            "\u200bben@example.com",
            "ben@ｅxample.com",
        ],
    )
    async def test_another_spelling_of_an_address_is_no_other_address(
        self, networks: Networks, connection: asyncpg.Connection, twin: str
    ) -> None:
        await networks.log_in(HOME)
        await add_attempts(connection, OF_ADDRESS.at_once)

        assert retry_after(await networks.log_in(ELSEWHERE, twin)) > 0

    async def test_a_composed_and_a_decomposed_address_are_one(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        await networks.log_in(HOME, "jos\u00e9@b\u00fccher.example")
        await add_attempts(connection, OF_ADDRESS.at_once)

        for twin in ("jose\u0301@bu\u0308cher.example", "JOSE\u0301@xn--bcher-kva.example"):
            assert retry_after(await networks.log_in(ELSEWHERE, twin)) > 0

    @pytest.mark.parametrize("other", ["b.en@example.com", "ben+a@example.com", "ben@a.example"])
    async def test_another_address_is_counted_apart(
        self, networks: Networks, connection: asyncpg.Connection, other: str
    ) -> None:
        await networks.log_in(HOME)
        await add_attempts(connection, OF_ADDRESS.at_once)

        assert is_wrong(await networks.log_in(HOME, other))

    async def test_the_counts_hold_no_address(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        await networks.log_in(HOME)

        keys = [row["key"] for row in await connection.fetch("SELECT key FROM login_limits")]
        assert [len(bytes.fromhex(key)) for key in keys] == [32, 32]


class TestKnownNetwork:
    async def test_an_attack_from_elsewhere_does_not_delay_a_person_on_a_known_network(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        assert (await networks.log_in(HOME, password=PASSWORD)).status_code == 201
        assert is_wrong(await networks.log_in(ELSEWHERE))
        await add_attempts(connection, OF_ADDRESS.at_once)

        assert retry_after(await networks.log_in(ELSEWHERE, password=PASSWORD)) > 0
        assert retry_after(await networks.log_in(GYM, password=PASSWORD)) > 0
        assert (await networks.log_in(HOME, password=PASSWORD)).status_code == 201

    async def test_a_network_is_known_for_the_accounts_that_logged_in_from_it(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        assert (await networks.log_in(GYM, ADMIN.email, PASSWORD)).status_code == 201
        assert is_wrong(await networks.log_in(ELSEWHERE))
        await add_attempts(connection, OF_ADDRESS.at_once)

        assert retry_after(await networks.log_in(GYM, password=PASSWORD)) > 0

    async def test_a_wrong_attempt_does_not_make_a_network_known(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        assert is_wrong(await networks.log_in(HOME))
        await add_attempts(connection, OF_ADDRESS.at_once)

        assert retry_after(await networks.log_in(HOME, password=PASSWORD)) > 0

    async def test_attempts_from_a_known_network_are_delayed_too(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        assert (await networks.log_in(HOME, password=PASSWORD)).status_code == 201
        assert is_wrong(await networks.log_in(HOME))
        await add_attempts(connection, OF_ADDRESS.at_once - 2)

        assert is_wrong(await networks.log_in(HOME))
        assert retry_after(await networks.log_in(HOME, password=PASSWORD)) > 0
        assert is_wrong(await networks.log_in(ELSEWHERE))

    async def test_a_network_is_known_for_90_days(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        assert (await networks.log_in(HOME, password=PASSWORD)).status_code == 201
        known_for = await connection.fetchval(
            "SELECT max(kept_until) - statement_timestamp() FROM login_limits"
        )
        assert timedelta(days=90) - 60 * SECOND < known_for <= timedelta(days=90)
        assert is_wrong(await networks.log_in(ELSEWHERE))
        await add_attempts(connection, OF_ADDRESS.at_once)

        await connection.execute(
            "UPDATE login_limits SET kept_until = statement_timestamp()"
            " WHERE kept_until > statement_timestamp() + interval '1 day'"
        )

        assert retry_after(await networks.log_in(HOME, password=PASSWORD)) > 0


class TestNetwork:
    @pytest.mark.usefixtures("no_hashing")
    async def test_attempts_with_many_addresses_from_one_network_are_delayed(
        self, networks: Networks
    ) -> None:
        for number in range(OF_NETWORK.at_once):
            assert is_wrong(await networks.log_in(GYM, f"a{number}@example.com"))
        waits = [
            await networks.log_in(GYM, f"b{number}@example.com")
            for number in range(OF_NETWORK.at_once)
        ]

        refused = [one for one in waits if one.status_code == 429]
        assert len(refused) > OF_NETWORK.at_once / 2
        assert {retry_after(one) for one in refused} <= {1, 2}
        assert is_wrong(await networks.log_in(ELSEWHERE, "a0@example.com"))

    async def test_an_attempt_is_accepted_after_the_time_in_retry_after(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        await networks.log_in(GYM, NOBODY)

        await wait_of_network_is(connection, 2 * SECOND)
        assert retry_after(await networks.log_in(GYM, password=PASSWORD)) in {1, 2}
        await wait_of_network_is(connection, 0 * SECOND)

        assert (await networks.log_in(GYM, password=PASSWORD)).status_code == 201

    @pytest.mark.parametrize(
        ("one", "other", "is_same"),
        [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
            (GYM, f"::ffff:{GYM}", True),
            (GYM, "203.0.113.10", False),
            ("", "unix", True),
        ],
    )
    async def test_an_ipv6_network_is_one_client(
        self,
        networks: Networks,
        connection: asyncpg.Connection,
        one: str,
        other: str,
        is_same: bool,
    ) -> None:
        await networks.log_in(one, NOBODY)
        await wait_of_network_is(connection, 60 * SECOND)

        response = await networks.log_in(other)

        assert (response.status_code == 429) == is_same

    @pytest.mark.parametrize(
        "name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "Via"]
    )
    async def test_a_header_does_not_change_the_network(
        self, networks: Networks, connection: asyncpg.Connection, name: str
    ) -> None:
        await networks.log_in(GYM, NOBODY)
        await wait_of_network_is(connection, 60 * SECOND)

        for address in (HOME, f"for={HOME}", f"{HOME}, {GYM}", "127.0.0.1"):
            response = await networks.log_in(GYM, headers={name: address})

            assert retry_after(response) > 0


class TestSuccess:
    async def test_a_success_takes_its_own_count_back_and_no_other(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        assert (await networks.log_in(HOME, password=PASSWORD)).status_code == 201
        assert is_wrong(await networks.log_in(HOME))
        before = await connection.fetch("SELECT key, next_at FROM login_limits ORDER BY key")

        for _ in range(2):
            assert (await networks.log_in(HOME, password=PASSWORD)).status_code == 201

        after = await connection.fetch("SELECT key, next_at FROM login_limits ORDER BY key")
        assert after == before

    async def test_the_last_attempt_in_time_can_succeed_again_and_again(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        assert (await networks.log_in(HOME, password=PASSWORD)).status_code == 201
        assert is_wrong(await networks.log_in(HOME))
        await add_attempts(connection, OF_ADDRESS.at_once - 2)

        for _ in range(3):
            assert (await networks.log_in(HOME, password=PASSWORD)).status_code == 201

        assert is_wrong(await networks.log_in(HOME))
        assert retry_after(await networks.log_in(HOME, password=PASSWORD)) > 0

    async def test_a_success_with_another_address_takes_nothing_back(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        assert is_wrong(await networks.log_in(GYM, ADMIN.email))
        await add_attempts(connection, OF_ADDRESS.at_once)

        assert (await networks.log_in(GYM, password=PASSWORD)).status_code == 201

        assert retry_after(await networks.log_in(GYM, ADMIN.email)) > 0


class TestPasswordChange:
    URL = f"{API}/me/password"

    async def test_wrong_passwords_of_a_change_are_delayed_like_logins(
        self, client: AsyncClient, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        change = {"current": WRONG, "new": "another good password"}
        wrong = await client.put(self.URL, json=change, headers=MEMBER.headers)
        await add_attempts(connection, OF_ADDRESS.at_once - 1)

        right = {**change, "current": PASSWORD}
        delayed = await client.put(self.URL, json=right, headers=MEMBER.headers)

        assert problem(wrong) == (401, "/problems/wrong-credentials", [])
        assert wrong.json()["detail"] == "The current password is another one."
        assert retry_after(delayed) > 0
        assert retry_after(await networks.log_in(HOME, password=PASSWORD)) > 0

        await wait_is(connection, 0 * SECOND)
        assert (await client.put(self.URL, json=right, headers=MEMBER.headers)).status_code == 204

    async def test_wrong_logins_delay_a_change_from_an_unknown_network(
        self, client: AsyncClient, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        assert is_wrong(await networks.log_in(HOME))
        await add_attempts(connection, OF_ADDRESS.at_once - 1)

        change = {"current": PASSWORD, "new": "another good password"}
        response = await client.put(self.URL, json=change, headers=MEMBER.headers)

        assert retry_after(response) > 0


class TestCounts:
    async def test_old_counts_are_deleted_some_with_each_attempt(
        self, networks: Networks, connection: asyncpg.Connection
    ) -> None:
        await connection.execute(
            """
            INSERT INTO login_limits (key, next_at, kept_until)
            SELECT g, statement_timestamp(), statement_timestamp() + interval '1 minute' * g
            FROM generate_series($1::integer, 1) g
            """,
            1 - FORGOTTEN_AT_ONCE,
        )
        await connection.execute(
            """
            INSERT INTO login_limits (key, next_at, kept_until)
            SELECT 'a' || g, statement_timestamp(), statement_timestamp() - interval '1 second'
            FROM generate_series(1, 3) g
            """
        )
        assert await counts(connection) == FORGOTTEN_AT_ONCE + 1 + 3

        await networks.log_in(HOME)
        assert await counts(connection) == 2 + 1 + 3

        await networks.log_in(HOME)
        assert await counts(connection) == 2 + 1

    async def test_counts_hold_for_all_processes_and_after_a_restart(
        self, own_database: str, other: asyncpg.Connection
    ) -> None:
        async with (
            served(patient(own_database), 2) as one,
            served(patient(own_database), 2) as another,
        ):
            assert is_wrong(await log_in(one))
            await add_attempts(other, OF_ADDRESS.at_once - 2)
            assert is_wrong(await log_in(another))
            assert retry_after(await log_in(one)) > 0

        async with served(patient(own_database), 2) as restarted:
            assert retry_after(await log_in(restarted, password=PASSWORD)) > 0


class TestAtTheSameTime:
    @pytest.fixture(autouse=True)
    def no_retries(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answer a deadlock with 503: the lock order must prevent deadlocks."""
        monkeypatch.setattr(transactions, "RETRIES", 0)

    async def test_20_attempts_do_not_exceed_the_limit(self, pooled_client: AsyncClient) -> None:
        responses = await asyncio.gather(*(log_in(pooled_client) for _ in range(20)))

        statuses = Counter(response.status_code for response in responses)
        assert statuses == {401: OF_ADDRESS.at_once, 429: 20 - OF_ADDRESS.at_once}

    async def test_successes_and_failures_do_not_deadlock(self, pooled_client: AsyncClient) -> None:
        attempts = [
            log_in(pooled_client, email, password)
            for _ in range(4)
            for email in (MEMBER.email, ADMIN.email)
            for password in (PASSWORD, WRONG)
        ]

        responses = await asyncio.gather(*attempts)

        statuses = Counter(response.status_code for response in responses)
        assert statuses == {201: 8, 401: 8}

    async def test_a_success_locks_the_count_of_the_network_last(
        self,
        own_database: str,
        pooled_client: AsyncClient,
        other: asyncpg.Connection,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        verified, matches = asyncio.Event(), Passwords.matches

        async def slowly(self: Passwords, stored: str | None, password: SecretStr) -> bool:
            await verified.wait()
            return await matches(self, stored, password)

        with monkeypatch.context() as patched:
            patched.setattr(Passwords, "matches", slowly)
            first = asyncio.create_task(log_in(pooled_client, password=PASSWORD))
            async with asyncio.timeout(10):
                while await counts(other) < 2:  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.01)
        # In another process, because one network has one place for logins in each.
        async with served(patient(own_database), 2) as process:
            assert (await log_in(process, password=PASSWORD)).status_code == 201
        async with other.transaction():
            await other.execute(
                "SELECT FROM login_limits"
                " WHERE kept_until > statement_timestamp() + interval '1 day' FOR UPDATE"
            )
            verified.set()
            await lock_waiters(other)
            # An attempt that counts as one from a known network locks it in this order.
            await other.execute(
                "SELECT FROM login_limits"
                " WHERE key = (SELECT key FROM login_limits ORDER BY kept_until LIMIT 1)"
                " FOR UPDATE NOWAIT"
            )

        assert (await first).status_code == 201
