"""JSON Web Tokens: how other services verify them, and which of them this API accepts."""

import asyncio
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import digest
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from httpx import AsyncClient
from jwt import PyJWK, PyJWT, get_unverified_header
from jwt.algorithms import OKPAlgorithm

from app.conftest import API, Create, Json, problem
from app.core.resources.fields import new_id
from app.identity.tests.callers import ADMIN, MEMBER, Known, add_device
from app.identity.tokens.jwt import RETIRED_FOR, rotate

JWT = f"{API}/sessions/current/jwt"
KEYS = "/.well-known/jwks.json"
ISSUER = "crossfit-api"


async def new_jwt(client: AsyncClient, session: Known = MEMBER) -> str:
    """Make a JWT for a session."""
    response = await client.post(JWT, headers=session.headers)
    assert response.status_code == 200, response.text
    text: str = response.json()["jwt"]
    return text


def bearer(token: str) -> dict[str, str]:
    """Return the header with a token."""
    return {"Authorization": f"Bearer {token}"}


async def is_accepted(client: AsyncClient, token: str) -> bool:
    """Return whether the API accepts a token; else check that the response is a 401."""
    response = await client.get(f"{API}/me", headers=bearer(token))
    if response.status_code == 200:
        return True
    assert problem(response) == (401, "/problems/invalid-token", [])
    assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    return False


async def published(client: AsyncClient) -> dict[str, Json]:
    """Return the published keys by their ids, as another service reads them."""
    response = await client.get(KEYS, headers={"Authorization": ""})
    assert response.status_code == 200
    return {key["kid"]: key for key in response.json()["keys"]}


async def claims_of(client: AsyncClient, text: str) -> Json:
    """Verify a JWT with PyJWT, as another service does; return its claims."""
    key = (await published(client))[get_unverified_header(text)["kid"]]
    return PyJWT().decode(text, PyJWK(key), ["EdDSA"], issuer=ISSUER, audience=ISSUER)


def encoded(part: bytes) -> str:
    """Encode a part of a JWT."""
    return urlsafe_b64encode(part).rstrip(b"=").decode()


def decoded(part: str) -> bytes:
    """Decode a part of a JWT."""
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def parts_of(text: str) -> tuple[Json, Json, bytes]:
    """Return the header, the claims and the signature of a JWT."""
    header, claims, signature = text.split(".")
    return json.loads(decoded(header)), json.loads(decoded(claims)), decoded(signature)


def signing_input(header: Json, claims: Json) -> bytes:
    """Return the text that is signed."""
    return ".".join(encoded(json.dumps(part).encode()) for part in (header, claims)).encode()


def signed(key: Ed25519PrivateKey, header: Json, claims: Json) -> str:
    """Return a JWT with an Ed25519 signature."""
    text = signing_input(header, claims)
    return f"{text.decode()}.{encoded(key.sign(text))}"


async def own_key(connection: asyncpg.Connection) -> Ed25519PrivateKey:
    """Return the private key of the service."""
    key = OKPAlgorithm.from_jwk(await connection.fetchval("SELECT private_key FROM signing_keys"))
    assert isinstance(key, Ed25519PrivateKey)
    return key


class TestOtherServices:
    async def test_a_jwt_says_for_whom_and_for_which_session_it_is(
        self, client: AsyncClient
    ) -> None:
        response = await client.post(JWT, headers=MEMBER.headers)

        text = response.json()["jwt"]
        header, claims, _ = parts_of(text)
        (key_id,) = await published(client)
        expires_at = datetime.fromisoformat(response.json()["expires_at"])
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert response.json() == {"jwt": text, "expires_at": response.json()["expires_at"]}
        assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": key_id}
        assert claims == {
            "iss": ISSUER,
            "aud": ISSUER,
            "sub": str(MEMBER.id),
            "sid": str(MEMBER.id),
            "client_id": ISSUER,
            "iat": claims["exp"] - 300,
            "exp": int(expires_at.timestamp()),
            "jti": claims["jti"],
        }
        assert abs(claims["iat"] - time.time()) < 60
        assert UUID(claims["jti"]).version == 7

    async def test_two_jwts_of_a_session_have_different_ids(self, client: AsyncClient) -> None:
        one, two = [parts_of(await new_jwt(client))[1] for _ in range(2)]

        assert one["jti"] != two["jti"]

    async def test_the_published_key_verifies_a_jwt(self, client: AsyncClient) -> None:
        text = await new_jwt(client)

        assert await claims_of(client, text) == parts_of(text)[1]

    async def test_the_published_key_verifies_a_jwt_without_a_library_for_jwts(
        self, client: AsyncClient
    ) -> None:
        text = await new_jwt(client)

        header, _, signature = parts_of(text)
        key = (await published(client))[header["kid"]]
        public = Ed25519PublicKey.from_public_bytes(decoded(key["x"]))
        public.verify(signature, text.rpartition(".")[0].encode())
        with pytest.raises(InvalidSignature):
            public.verify(signature, text.rpartition(".")[0].encode() + b"A")

    async def test_a_key_is_published_without_its_private_part(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        response = await client.get(KEYS, headers={"Authorization": ""})

        key = json.loads(await connection.fetchval("SELECT private_key FROM signing_keys"))
        assert response.json() == {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "x": key["x"],
                    "kid": str(await connection.fetchval("SELECT id FROM signing_keys")),
                    "alg": "EdDSA",
                    "use": "sig",
                }
            ]
        }
        assert key["d"] not in response.text

    async def test_two_first_requests_at_the_same_time_both_get_good_jwts(
        self, pooled_client: AsyncClient
    ) -> None:
        one, two = await asyncio.gather(new_jwt(pooled_client), new_jwt(pooled_client))

        assert (await claims_of(pooled_client, one))["sid"] == str(MEMBER.id)
        assert (await claims_of(pooled_client, two))["sid"] == str(MEMBER.id)
        assert await is_accepted(pooled_client, one)
        assert await is_accepted(pooled_client, two)

    async def test_a_personal_token_gets_no_jwt(self, client: AsyncClient) -> None:
        response = await client.post(JWT)

        assert problem(response) == (404, "/problems/not-found", [])

    async def test_a_device_gets_no_jwt(
        self, client: AsyncClient, create: Create, connection: asyncpg.Connection
    ) -> None:
        centre = await create("centres", {"name": "North", "address": "Main Street 1"})
        device = await add_device(connection, centre["id"])

        response = await client.post(JWT, headers=device.headers)

        assert problem(response) == (403, "/problems/insufficient-scope", [])


class TestAsBearerToken:
    async def test_a_jwt_is_accepted_with_the_rights_of_its_session(
        self, client: AsyncClient
    ) -> None:
        jwt = bearer(await new_jwt(client))

        by_jwt = await client.get(f"{API}/me", headers=jwt)
        forbidden = await client.post(f"{API}/categories", json={"name": "Rx"}, headers=jwt)

        assert by_jwt.status_code == 200
        assert by_jwt.json() == (await client.get(f"{API}/me", headers=MEMBER.headers)).json()
        assert problem(forbidden) == (403, "/problems/forbidden", [])

    async def test_a_jwt_gives_nothing_that_outlives_it(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        await connection.execute("UPDATE accounts SET is_admin = true")
        jwt = bearer(await new_jwt(client))
        token = {"name": "Website", "scopes": ["checkin"], "expires_in_days": 1}

        read = await client.get(f"{API}/categories", headers=jwt)
        made = await client.post(f"{API}/tokens", json=token, headers=jwt)
        reset = await client.post(f"{API}/accounts/{MEMBER.id}/reset", headers=jwt)

        assert read.status_code == 200
        assert problem(made) == (403, "/problems/insufficient-scope", [])
        assert problem(reset) == (403, "/problems/insufficient-scope", [])

    async def test_a_jwt_ends_with_its_session(self, client: AsyncClient) -> None:
        text = await new_jwt(client)
        assert await is_accepted(client, text)

        ended = await client.delete(f"{API}/sessions/current", headers=MEMBER.headers)

        again = await client.delete(f"{API}/sessions/current", headers=bearer(text))
        assert ended.status_code == 204
        assert problem(again) == (401, "/problems/invalid-token", [])

    async def test_a_jwt_ends_when_it_expires(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        header, claims, _ = parts_of(await new_jwt(client))
        key = await own_key(connection)
        now = int(time.time())
        soon = signed(key, header, {**claims, "iat": now - 299, "exp": now + 60})
        expired = signed(key, header, {**claims, "iat": now - 311, "exp": now - 11})

        assert await is_accepted(client, soon)
        assert not await is_accepted(client, expired)

    async def test_the_clock_of_the_machine_that_made_a_jwt_may_differ_a_little(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        header, claims, _ = parts_of(await new_jwt(client))
        key = await own_key(connection)
        now = int(time.time())
        slow = signed(key, header, {**claims, "iat": now - 303, "exp": now - 3})
        fast = signed(key, header, {**claims, "iat": now + 7, "exp": now + 307})
        too_fast = signed(key, header, {**claims, "iat": now + 60, "exp": now + 360})

        assert await is_accepted(client, slow)
        assert await is_accepted(client, fast)
        assert not await is_accepted(client, too_fast)


class TestForgeries:
    @pytest.fixture
    async def real(self, client: AsyncClient) -> str:
        text = await new_jwt(client)
        assert await is_accepted(client, text)
        return text

    async def test_a_jwt_without_a_signature_is_refused(
        self, client: AsyncClient, real: str
    ) -> None:
        header, claims, signature = parts_of(real)

        for algorithm in ("none", "None", "NONE", "", None):
            unsigned = signing_input({**header, "alg": algorithm}, claims).decode()
            for end in ("", ".", f".{encoded(signature)}"):
                assert not await is_accepted(client, f"{unsigned}{end}")

    async def test_the_public_key_is_no_secret_of_an_hmac(
        self, client: AsyncClient, real: str
    ) -> None:
        header, claims, _ = parts_of(real)
        jwk = (await published(client))[header["kid"]]
        key = Ed25519PublicKey.from_public_bytes(decoded(jwk["x"]))
        text = signing_input({**header, "alg": "HS256"}, claims)

        for secret in (
            decoded(jwk["x"]),
            jwk["x"].encode(),
            json.dumps(jwk).encode(),
            json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode(),
            key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
            b"",
        ):
            mac = digest(secret, text, sha256)
            assert not await is_accepted(client, f"{text.decode()}.{encoded(mac)}")

    @pytest.mark.parametrize(
        "change",
        [
            {"crit": ["exp"], "exp": 1},
            {"crit": ["urn:example"], "urn:example": True},
            {"crit": []},
            {"crit": "b64"},
            {"crit": ["b64"], "b64": False},
            {"b64": False},
            {"typ": "JWT"},
            {"typ": None},
            {"typ": "AT+JWT "},
            {"typ": ["at+jwt"]},
            {"kid": "00000000-0000-4000-8000-000000000000"},
            {"kid": "no key"},
            {"kid": None},
            {"kid": 1},
            {"kid": ["a"]},
            {"kid": {}},
            {"kid": ""},
            {"kid": "é\0"},
            {"alg": "Ed448"},
            {"alg": ["EdDSA"]},
            {"alg": {}},
            {"alg": 1},
        ],
        ids=json.dumps,
    )
    async def test_a_header_of_another_form_is_refused(
        self, client: AsyncClient, connection: asyncpg.Connection, real: str, change: Json
    ) -> None:
        header, claims, _ = parts_of(real)

        changed = signed(await own_key(connection), {**header, **change}, claims)

        assert not await is_accepted(client, changed)

    @pytest.mark.parametrize(
        "change",
        [
            {"iss": "another"},
            {"iss": [ISSUER]},
            {"iss": None},
            {"aud": "another"},
            {"aud": []},
            {"aud": None},
            {"exp": "tomorrow"},
            {"exp": None},
            {"exp": 0},
            {"iat": "now"},
            {"nbf": 2**40},
        ],
        ids=json.dumps,
    )
    async def test_claims_of_another_service_are_refused(
        self, client: AsyncClient, connection: asyncpg.Connection, real: str, change: Json
    ) -> None:
        header, claims, _ = parts_of(real)

        changed = signed(await own_key(connection), header, {**claims, **change})

        assert not await is_accepted(client, changed)

    async def test_a_jwt_of_a_token_that_is_no_session_is_refused(
        self, client: AsyncClient, connection: asyncpg.Connection, real: str
    ) -> None:
        header, claims, _ = parts_of(real)
        key = await own_key(connection)

        for token_id in (ADMIN.id, UUID(int=0)):
            of_another = {**claims, "sid": str(token_id), "jti": str(new_id())}
            assert not await is_accepted(client, signed(key, header, of_another))

    @pytest.mark.parametrize("claim", ["iss", "aud", "exp", "sid"])
    async def test_a_claim_must_not_be_missing(
        self, client: AsyncClient, connection: asyncpg.Connection, real: str, claim: str
    ) -> None:
        header, claims, _ = parts_of(real)
        del claims[claim]

        assert not await is_accepted(client, signed(await own_key(connection), header, claims))

    async def test_a_changed_jwt_is_refused(self, client: AsyncClient, real: str) -> None:
        header, claims, signature = parts_of(real)
        first, second, third = real.split(".")
        longer = signing_input(header, {**claims, "exp": claims["exp"] + 1})

        assert not await is_accepted(client, f"{longer.decode()}.{third}")
        assert not await is_accepted(client, f"{first}.{second}.{encoded(signature[:-1])}")
        assert not await is_accepted(client, f"{first}.{second}.{encoded(signature + b'0')}")
        assert not await is_accepted(client, f"{first}.{second}.{third}.")
        assert not await is_accepted(client, f"{first}.{second}.{third}==")
        assert not await is_accepted(client, f"{first}.{second}")
        assert not await is_accepted(client, f"{first}.{second}.")

    async def test_a_signature_by_a_foreign_key_is_refused(
        self, client: AsyncClient, real: str
    ) -> None:
        header, claims, _ = parts_of(real)
        foreign = Ed25519PrivateKey.generate()
        jwk = OKPAlgorithm.to_jwk(foreign.public_key(), as_dict=True)

        assert not await is_accepted(client, signed(foreign, header, claims))
        assert not await is_accepted(client, signed(foreign, {**header, "jwk": jwk}, claims))
        url = {"jku": "http://localhost/keys", "x5u": "http://localhost/certificate"}
        assert not await is_accepted(client, signed(foreign, {**header, **url}, claims))

    async def test_a_header_that_is_hard_to_parse_is_refused(
        self, client: AsyncClient, real: str
    ) -> None:
        key_id = get_unverified_header(real)["kid"]
        rest = real.partition(".")[2]

        for header in (
            b"null",
            b"[]",
            b'"a"',
            b"1" * 2500,
            b"{",
            b"\xff",
            b"\xef\xbb\xbf{}",
            b'{"kid":"\\ud800"}',
            b'{"kid":NaN}',
            *(
                b'{"alg":"EdDSA","kid":"%s","x":%s}' % (key_id.encode(), b"[" * deep + b"]" * deep)
                for deep in (*range(700, 1000, 20), 1300)
            ),
        ):
            assert not await is_accepted(client, f"{encoded(header)}.{rest}")


class TestRotation:
    async def test_keys_that_may_be_stolen_are_deleted_at_once(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        old = await new_jwt(client)

        new_key = str(await rotate(app.state.database, at_once=True))

        assert list(await published(client)) == [new_key]
        assert not await is_accepted(client, old)

    async def test_the_retired_key_is_published_until_its_last_jwt_has_ended(
        self, app: FastAPI, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        old = await new_jwt(client)
        (old_key,) = await published(client)

        new_key = str(await rotate(app.state.database))

        new = await new_jwt(client)
        assert list(await published(client)) == [new_key, old_key]
        assert get_unverified_header(new)["kid"] == new_key
        assert (await claims_of(client, old))["sid"] == str(MEMBER.id)
        assert (await claims_of(client, new))["sid"] == str(MEMBER.id)
        assert await is_accepted(client, old)
        assert await is_accepted(client, new)

        await retired(connection, RETIRED_FOR - timedelta(seconds=10))
        assert list(await published(client)) == [new_key, old_key]

        await retired(connection, RETIRED_FOR)
        assert list(await published(client)) == [new_key]
        assert not await is_accepted(client, await resigned(connection, old, UUID(old_key)))
        assert await is_accepted(client, await resigned(connection, new, UUID(new_key)))

    async def test_a_key_is_made_if_all_are_retired(
        self, client: AsyncClient, connection: asyncpg.Connection
    ) -> None:
        await new_jwt(client)
        await retired(connection, RETIRED_FOR)

        text = await new_jwt(client)

        assert await is_accepted(client, text)
        assert list(await published(client)) == [get_unverified_header(text)["kid"]]


async def retired(connection: asyncpg.Connection, since: timedelta) -> None:
    """Set back when the retired keys were retired; if none is, retire all."""
    retire = """
        UPDATE signing_keys SET retired_at = statement_timestamp() - $1::interval
        WHERE retired_at IS NOT NULL
            OR NOT EXISTS (SELECT FROM signing_keys WHERE retired_at IS NOT NULL)
    """
    await connection.execute(retire, since)


async def resigned(connection: asyncpg.Connection, text: str, key_id: UUID) -> str:
    """Return another JWT of the same key: this process has not seen it before."""
    stored = await connection.fetchval("SELECT private_key FROM signing_keys WHERE id = $1", key_id)
    key: Any = OKPAlgorithm.from_jwk(stored)
    header, claims, _ = parts_of(text)
    return signed(key, header, {**claims, "jti": str(new_id())})
