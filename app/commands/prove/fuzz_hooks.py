"""Hooks for what schemathesis cannot learn from the document: existing rows, and CSV files.

``schemathesis.toml`` names this module. Requests that are meant to be accepted are changed to refer
to existing rows, because a 404 proves little. Requests that follow links do that already.

Requests send the token in ``CROSSFIT_TOKEN``, which belongs to an administrator. Requests about own
sessions and the own password send that of a member, because they could end the administrator's.
"""

import csv
import os
import random
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import schemathesis
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError
from schemathesis import Case, CheckContext, HookContext, Response, SerializationContext
from schemathesis.generation.meta import TestPhase

from app.attendance.models import MOST_DAYS
from app.commands.token import VARIABLE
from app.core.errors import PROBLEM_MEDIA_TYPE, AlreadyTaken
from app.core.resources.fields import FIRST_YEAR, LAST_YEAR, new_id
from app.core.resources.text import clean_text, name_key
from app.identity.passwords import is_common
from app.results.models import MEASURES

Json = dict[str, Any]

PARAMETER = re.compile(r"{(\w+)}")

ENOUGH_ROWS = 10
ONE_IN = 8
"""One in this many fuzzed requests stays unchanged: with a generated id, or for a row in use."""
ATTEMPTS = 5
"""The most attempts to create a row whose values are not taken."""
UNLIKE = 6
"""The number of random characters that make a text unique."""
LONGEST_KEY = 255
"""The greatest length of an ``Idempotency-Key``."""
PLACES = {"cursor", "offset"}
"""The parameters for the start of a page; they exclude each other."""
COLUMNS = ["name", "category", "centres", "reference", "email", "birth_date", "height", "x"]
"""The header of a generated file of athletes; ``x`` is an unknown column."""
SOON, LONG = timedelta(minutes=30), timedelta(hours=1)
"""Time from now to the start of a training that can be booked, cancelled and checked in to, and
its duration."""
LONGEST = timedelta(hours=24)
"""The greatest duration of a training."""
TIMES = ("starts_at", "ends_at")
OF_ENTRY = "/results/{entry_id}"
OF_A_SCORE = {
    *("score", "tie_break", "tie_break_value", "outcome", "scaling", *MEASURES),
    *("performed_at", "training_id"),
}
"""The fields of a result that depend on its workout and on one another, or on the present."""
OF_AN_EVENT = {"points_table", "opens_at", "closes_at"}
OF_A_SERIES = {"starts_on", "ends_on", "weekdays", "skip", "programme"}
EVERY_DAY = [1, 2, 3, 4, 5, 6, 7]
CALENDAR, FEED = "calendar.ics", "calendar-feed"
NO_ROUTE = "There is nothing at this path."
OF_DAYS = {"starts_on", "ends_on", "points"}
CHECK_IN = "/check-in"
AFTER_CHECK_IN = "/check-out", "/undo-check-in"
AT_DOOR = "/trainings/{training_id}/check-in"
ERASE = "/erase"
OF_A_SESSION = (
    "/sessions/current",
    "/sessions/current/jwt",
    "/sessions/{session_id}",
    "/me/password",
)
"""Ends of the paths of requests about own sessions and the own password, but for a list."""
PASSWORD = "owls and ink in the gym"  # noqa: S105 - of accounts that only a test knows
SHORTEST_BOUND = 20
"""The least ``maxLength`` of any text in the document."""


@schemathesis.check
def contract_is_kept(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Fail on any 5xx, on an error without a problem document, and without a request ID."""
    status, headers = response.status_code, response.headers
    if status >= 500:
        raise AssertionError(f"The service failed with {status}.")
    kind = "".join(headers.get("content-type", []))
    if status >= 400 and kind != PROBLEM_MEDIA_TYPE:
        raise AssertionError(
            f"An error response has {kind or 'nothing'} instead of a problem document."
        )
    if not headers.get("x-request-id"):
        raise AssertionError("The response has no X-Request-ID.")


@schemathesis.check
def strangers_are_refused(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Fail if a request without a token gets another response than 401, and needs one."""
    needs_token = case.operation.definition.raw.get("security")
    has_token = "Authorization" in response.request.headers
    if response.status_code == httpx.codes.NOT_FOUND and NO_ROUTE in response.text:
        return  # a path parameter with a line break, for example
    if needs_token and not has_token and response.status_code != httpx.codes.UNAUTHORIZED:
        raise AssertionError(f"A request without a token got {response.status_code}.")


@schemathesis.auth()
class Token:
    """The token that requests send, if there is one."""

    def get(self, case: Case[Any], context: object) -> str | None:
        """Return the token."""
        return os.environ.get(VARIABLE)

    def set(self, case: Case[Any], token: str | None, context: object) -> None:
        """Put the token into the header of a request."""
        if token:
            case.headers["Authorization"] = f"Bearer {token}"


class Rows:
    """The known rows of a service: those that it had at the start, and those created since."""

    def __init__(self, service: httpx.Client, document: Json, token: str = "") -> None:
        self._service = service
        self._token = token
        """The token of the client, whose row no request may end."""
        self._chance = random.Random(1)  # noqa: S311 - reproducible, not secret
        self._taken: set[tuple[str, str]] = set()
        """The operations and fields for which a response said that a value is taken."""
        self._collections: dict[str, str] = {}
        """The path of a collection by the parameter for a row's id, such as ``athlete_id``."""
        self._examples: dict[str, Json] = {}
        for path, operations in document["paths"].items():
            created = operations.get("post", {}).get("responses", {}).get("201", {})
            for link in created.get("links", {}).values():
                self._collections |= dict.fromkeys(link["parameters"], path)
                body = operations["post"]["requestBody"]["content"]["application/json"]["schema"]
                name = body["$ref"].rpartition("/")[2]
                self._examples[path] = document["components"]["schemas"][name]["examples"][0]
        self._ids = {path: self._read(path) for path in self._examples}
        """Row ids by the path of their collection, which may be nested in another row."""
        self._api = os.path.commonpath(list(self._examples))
        self._accounts = f"{self._api}/accounts"
        # Invitations create accounts. Those that exist are left alone: one sends the requests.
        self._collections["account_id"], self._ids[self._accounts] = self._accounts, []
        self._member: Json | None = None
        self._session = ""
        """The token of a session of the member."""
        self._forgetful = ""
        """The id of an account whose password is reset."""
        self._hall: str | None = None

    def aim_at_rows(self, case: Case[Any]) -> None:
        """Change a request to refer to existing rows."""
        case.query = self._with_ids(case.query)
        if not self._misses(case):
            case.path_parameters = self._with_ids(case.path_parameters)
            case.path_parameters = {**case.path_parameters, **self._changeable(case)}
            if case.path.endswith(OF_ENTRY):
                case.path_parameters = self._scored(case.path)
            if case.path.endswith("/lookup") and isinstance(case.body, dict):
                case.body = {**case.body, **self._looked_up(case, case.body)}
            if case.path.endswith(AT_DOOR) and isinstance(case.body, dict):
                case.body = {**case.body, **self._who_comes()}

    def make_acceptable(self, case: Case[Any]) -> None:
        """Change the parts of a request whose valid values only the service knows.

        These are ids in a body, cursors and ETags; idempotency keys and unique values must be new.
        """
        self._speak_for_a_member(case)
        if isinstance(case.body, dict):
            case.body = self._accepted(case.operation.label, case.body)
            case.body = _of_one_kind(case.path, case.body)
            if "centre_id" in case.body and not self._misses(case):
                case.body["centre_id"] = self._a_hall()
            if not case.body.keys().isdisjoint(TIMES):
                case.body = {**case.body, **self._valid_time(case, case.body)}
            case.body = {**case.body, **self._secrets(case, case.body)}
        if case.path.endswith(CALENDAR) and "token" in case.query and not self._misses(case):
            case.query = {**case.query, "token": self._new_feed(case.formatted_path)}
        if "/attendance" in case.path:
            case.query = {**case.query, **_of_few_days(case.query)}
        if "cursor" in case.query:
            case.query = {name: case.query[name] for name in case.query.keys() - PLACES}
            case.query = {**case.query, **self._cursor(case)}
        if key := case.headers.get("Idempotency-Key"):
            # A request with the key of an earlier one would have to equal it.
            case.headers["Idempotency-Key"] = (new_id().hex + key)[:LONGEST_KEY]
        for condition in ("If-Match", "If-None-Match"):
            if condition in case.headers and not self._misses(case):
                row = self._service.get(self._asked(case)["url"])
                case.headers[condition] = row.headers.get("ETag", case.headers[condition])

    def learn(self, case: Case[Any], response: Response) -> None:
        """Record rows that were created, deleted or erased, and fields whose values were taken."""
        if response.status_code == httpx.codes.CREATED and case.path in self._ids:
            self._ids[case.path].append(response.json()["id"])
        elif response.status_code == httpx.codes.NO_CONTENT and (
            case.method == "DELETE" or case.path.endswith(ERASE)
        ):
            collection, _, parameter = case.path.removesuffix(ERASE).rpartition("/")
            if collection in self._ids:
                row_id = case.path_parameters.get(parameter.strip("{}"))
                self._ids[collection] = [one for one in self._ids[collection] if one != row_id]
        elif response.status_code == httpx.codes.CONFLICT:
            self._learn_taken(case.operation.label, response.json())

    def _misses(self, case: Case[Any]) -> bool:
        """Return whether to leave a request unchanged; the other phases make too few requests."""
        return _phase(case) is TestPhase.FUZZING and not self._chance.randrange(ONE_IN)

    def _learn_taken(self, operation: str, problem: Json) -> None:
        if problem["type"] == AlreadyTaken.type.uri:
            pointers = [error["pointer"].removeprefix("/") for error in problem["errors"]]
            self._taken |= {(operation, field) for field in pointers}

    @staticmethod
    def _is_within(path: str) -> bool:
        """Return whether a path is nested in a row that it names."""
        return "{" in path

    def _read(self, path: str) -> list[str]:
        if self._is_within(path):
            return []  # there is no list of all rows; they are created when they are needed
        page = self._service.get(path, params={"limit": 100})
        own = str(UUID(self._token.split("_")[1])) if self._token else ""
        ids = [row["id"] for row in page.raise_for_status().json()["items"]]
        return [row_id for row_id in ids if row_id != own]

    def _an_id(self, path: str) -> str:
        """Return the id of a random row of a collection; create rows until there are enough."""
        while len(self._ids[path]) < ENOUGH_ROWS:
            self._create(path)
        return self._chance.choice(self._ids[path])

    def _create(self, path: str) -> str:
        if path == self._accounts:
            row_id, _ = self._new_account()
            self._ids[path].append(row_id)
            return row_id
        operation = f"POST {path}"
        for _ in range(ATTEMPTS):
            body = self._accepted(operation, self._examples[path])
            if not body.keys().isdisjoint(TIMES):
                body |= {"centre_id": self._a_hall(), **_soon()}
            body = _of_one_kind(path, body)
            if path.endswith("/sessions"):
                body = self._login()
            parents = self._with_ids(dict.fromkeys(PARAMETER.findall(path)), self._create)
            created = self._service.post(path.format(**parents), json=body)
            if created.status_code != httpx.codes.CONFLICT:
                break
            self._learn_taken(operation, created.json())
        self._ids[path].append(created.raise_for_status().json()["id"])
        return self._ids[path][-1]

    def _changeable(self, case: Case[Any]) -> Json:
        """Create a row that the request can change; the state of others may not allow it."""
        if case.method == "DELETE":
            return self._deletable(case)
        if case.method == "PATCH" and "training_id" in case.path_parameters:  # with no bookings
            return self._with_ids(case.path_parameters, self._create)
        # /bookings/{booking_id}/cancel, for example; any account can be reset
        if case.method == "POST" and not case.path.endswith("/reset"):
            made = self._with_ids(case.path_parameters, self._create)
            if case.path.endswith(AFTER_CHECK_IN):
                booking = case.path.rpartition("/")[0]
                self._service.post(f"{booking}{CHECK_IN}".format(**made))
            return made
        return {}

    def _scored(self, path: str) -> Json:
        """Create an event of an open competition and an entry in it, with a result."""
        competitions = self._collections["competition_id"]
        days = {"starts_on": "2026-12-05", "ends_on": "2026-12-05"}
        made = self._service.post(competitions, json={"name": "Games", **days}).json()
        own = f"{competitions}/{made['id']}"
        self._service.post(f"{own}/open")
        workout_id = self._create(self._collections["workout_id"])
        event = {"workout_id": workout_id, "published_at": "2026-01-01T00:00:00Z"}
        entry = {"athlete_id": self._create(self._collections["athlete_id"])}
        ids = {
            "event_id": self._service.post(f"{own}/events", json=event).json()["id"],
            "entry_id": self._service.post(f"{own}/entries", json=entry).json()["id"],
        }
        self._service.put(path.format(**ids), json={"score": "DNF"})
        return ids

    def _deletable(self, case: Case[Any]) -> Json:
        """Create a row that can be deleted; at random, leave a row that may be in use."""
        collection, _, parameter = case.path.rpartition("/")
        if parameter == "current":
            return {}  # the session of the request
        if collection in self._ids:
            if self._misses(case):
                return {}
            return {parameter.strip("{}"): self._create(collection)}
        if parameter == FEED:
            self._service.post(self._asked(case)["url"])
            return {}
        role = {"role": "desk"} if "account_id" in case.path_parameters else None
        self._service.put(self._asked(case)["url"], json=role)  # an enrolment, for example
        return {}

    def _new_feed(self, calendar: str) -> str:
        """Return the token of a new feed of the athlete of a calendar, if there is one."""
        made = self._service.post(calendar.replace(CALENDAR, FEED))
        return str(made.json().get("url", "none")).rpartition("=")[2]

    def _new_account(self) -> tuple[str, Json]:
        """Make an account by an invitation; return its id, and what it logs in with."""
        login = {"email": f"{new_id().hex}@example.com", "password": PASSWORD}
        acceptance = {"code": self._invitation(login["email"]), "password": PASSWORD}
        accepted = self._service.post(f"{self._api}/invitations/accept", json=acceptance)
        return accepted.raise_for_status().json()["account"]["id"], login

    def _invitation(self, email: str) -> str:
        invited = self._service.post(f"{self._api}/invitations", json={"email": email})
        return str(invited.raise_for_status().json()["code"])

    def _reset(self) -> str:
        if not self._forgetful:
            self._forgetful, _ = self._new_account()
        path = f"{self._accounts}/{self._forgetful}/reset"
        return str(self._service.post(path).raise_for_status().json()["code"])

    def _login(self) -> Json:
        """Return what the member logs in with."""
        if self._member is None:
            _, self._member = self._new_account()
        return self._member

    def _speak_for_a_member(self, case: Case[Any]) -> None:
        """Send a request about own sessions with a session of the member."""
        is_ours = case.headers.get("Authorization") == f"Bearer {self._token}"
        path = case.path.removeprefix(self._api)
        if not is_ours or path not in OF_A_SESSION:
            return
        ends = case.method == "DELETE" and path == "/sessions/current"
        if ends or not self._session:
            session = self._service.post(f"{self._api}/sessions", json=self._login())
            self._session = session.raise_for_status().json()["token"]
        case.headers["Authorization"] = f"Bearer {self._session}"
        if ends:
            self._session = ""

    def _secrets(self, case: Case[Any], body: Json) -> Json:
        """Return values that only the service knows: passwords, codes, and roles with a centre."""
        path = case.path.removeprefix(self._api)
        if case.method == "POST" and path == "/sessions":
            return self._login()
        if path == "/me/password":
            return {"current": PASSWORD, "new": PASSWORD}
        if path == "/invitations" and body.get("centre_id") is None:
            return {"centre_id": None, "role": None}
        if path == "/invitations":
            return {"role": body.get("role") or "desk"}
        if path in {"/invitations/accept", "/resets/accept"}:
            is_reset = path == "/resets/accept"
            code = self._reset() if is_reset else self._invitation(f"{new_id().hex}@example.com")
            return {"code": code} | ({"password": PASSWORD} if is_common(body["password"]) else {})
        return {}

    def _looked_up(self, case: Case[Any], body: Json) -> Json:
        """Return values of an existing row for a request such as ``/athletes/lookup``."""
        collection = case.path.rpartition("/")[0]
        if collection not in self._ids:
            return {}
        row = self._service.get(f"{collection}/{self._an_id(collection)}").json()
        return {name: row[name] for name in body if row.get(name) is not None}

    def _who_comes(self) -> Json:
        """Return the reference of a known athlete, if they have one."""
        athletes = self._collections["athlete_id"]
        row = self._service.get(f"{athletes}/{self._an_id(athletes)}").json()
        return {"reference": row["reference"]} if row.get("reference") else {}

    def _with_ids(self, values: Json, choose: Callable[[str], str] | None = None) -> Json:
        """Replace ids by ids of rows; ``choose`` gets a collection's path and returns an id."""
        choose = choose or self._an_id
        return {
            name: choose(self._collections[name]) if name in self._collections else value
            for name, value in values.items()
        }

    def _accepted(self, operation: str, body: Json) -> Json:
        """Change a body to refer to existing rows, and to have only values that are accepted."""
        # A nested row, such as a booking, is often unique for the row that its body refers to.
        within = self._is_within(operation) and operation.startswith("POST")
        body = self._with_ids(body, self._create if within else None)
        for name, value in body.items():
            of_items = self._collections.get(name.removesuffix("s"))
            if of_items and isinstance(value, list):
                body[name] = [self._an_id(of_items) for _ in value]
            elif name in self._collections:
                continue
            elif (operation, name) in self._taken and isinstance(value, str):
                body[name] = self._unlike_any(value)
            elif isinstance(value, float):
                body[name] = round(value, 1)  # the document says in words how many places it has
        return body

    def _a_hall(self) -> str:
        """Return the id of a centre with no capacity limit, which no request changes."""
        if self._hall is None:
            hall = {"name": f"Hall {new_id().hex}"}
            created = self._service.post(self._collections["centre_id"], json=hall)
            self._hall = str(created.raise_for_status().json()["id"])
        return self._hall

    def _valid_time(self, case: Case[Any], body: Json) -> Json:
        """Change a time so that a training ends after its start, at most 24 hours later.

        JSON Schema cannot express that. If a request has one time, the stored training has the
        other. In the stateful phase most trainings start soon, so that requests that follow their
        links can succeed.
        """
        row = {}
        if case.method == "PATCH":
            row = self._service.get(self._asked(case)["url"]).json()
        elif _phase(case) is TestPhase.STATEFUL and self._chance.randrange(ONE_IN):
            return _soon()
        times = {**row, **body}
        if not times.keys() >= set(TIMES):
            return {}  # there is no such training
        start, end = (datetime.fromisoformat(times[name].upper()) for name in TIMES)
        if timedelta(0) < end - start <= LONGEST:
            return {}
        length = abs(end - start) % LONGEST + timedelta.resolution
        if "ends_at" in body:
            return {"ends_at": (start + length).isoformat()}
        return {"starts_at": (end - length).isoformat()}

    def _unlike_any(self, text: str) -> str:
        unlike = new_id().hex[-UNLIKE:]
        return unlike + text if "@" in text else (text + unlike)[-len(text) :]

    def _cursor(self, case: Case[Any]) -> Json:
        """Ask the service for the cursor of the second row, if there is one."""
        asked = self._asked(case)
        page = self._service.get(asked["url"], params={**asked["params"], "limit": 1})
        following = page.json().get("next")
        cursors = parse_qs(urlsplit(following or "").query).get("cursor", [])
        return {"cursor": cursors[0]} if cursors else {}

    def _asked(self, case: Case[Any]) -> Json:
        return case.as_transport_kwargs(str(self._service.base_url))


def _phase(case: Case[Any]) -> TestPhase | None:
    return None if case.meta is None else case.meta.phase.name


def _of_one_kind(path: str, body: Json) -> Json:
    """Change a body about a series, a competition or a result so that its fields fit together.

    JSON Schema cannot express which days a series has, how a workout is scored, and which fields a
    score then has. ``DNF`` is a score of every workout.
    """
    if re.search(r"/series(/[^/]+)?$", path):
        kept = {name: value for name, value in body.items() if name not in OF_A_SERIES}
        days = {"starts_on": "2026-12-01", "ends_on": "2026-12-07", "weekdays": EVERY_DAY}
        return kept | (days if path.endswith("/series") else {})
    kept = {name: value for name, value in body.items() if name not in OF_A_SCORE}
    if path.endswith("/review"):
        adjusts = {"score": "DNF", "reason": "A mistake."}
        return kept | (adjusts if body.get("review") == "adjusted" else {})
    if re.search(r"/results(/[^/]+)?$", path):
        return kept | {"score": "DNF"}
    if re.search(r"/competition-events/|/competitions/[^/]+/events$", path):
        return {name: value for name, value in body.items() if name not in OF_AN_EVENT}
    if re.search(r"/competitions(/[^/]+)?$", path):
        kept = {name: value for name, value in body.items() if name not in OF_DAYS}
        days = {"starts_on": "2026-12-05", "ends_on": "2026-12-05"}
        return {**kept, "points": "place"} | (days if path.endswith("/competitions") else {})
    return body


def _of_few_days(query: Json) -> Json:
    """Return the days of a report; JSON Schema cannot express which day may follow the first."""
    first, last = (date.fromisoformat(query[name]) for name in ("from", "to"))
    return {"to": str(first + abs(last - first) % timedelta(days=MOST_DAYS))}


def _soon() -> Json:
    start = datetime.now(UTC) + SOON
    return {"starts_at": start.isoformat(), "ends_at": (start + LONG).isoformat()}


def _csv_file(text: str) -> str:
    """Make a CSV file from a text: a header, a row with the text in each cell, and the text."""
    file = StringIO()
    csv.writer(file).writerows([COLUMNS, [text] * len(COLUMNS)])
    return file.getvalue() + text


def _options_of_file(options: Json) -> Json:
    """Return the options of an import with values that suit each generated file.

    A mapped title must be in the file, no column can be both mapped and set, and the file is UTF-8.
    Hostile requests have other values.
    """
    suitable = {"map": ["national_id=name"], "set": ["sex=F"], "encoding": "iso8859-1"}
    return {name: suitable[name] for name in suitable.keys() & options.keys()}


known: dict[str, Rows] = {}


def _rows(case: Case[Any]) -> Rows:
    schema = case.operation.schema
    url = schema.get_base_url()
    if url not in known:  # not when the document is loaded, because the URL is set later
        token = os.environ[VARIABLE]
        client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"})
        known[url] = Rows(client, dict(schema.raw_schema), token)
    return known[url]


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: Json) -> None:
    """Change a request that is meant to be accepted so that the service can accept it."""
    if (
        case.meta is None
        or not case.meta.generation.mode.is_positive
        or not os.environ.get(VARIABLE)
    ):
        return
    phase = case.meta.phase.name
    if phase is not TestPhase.STATEFUL:  # its links lead to rows already
        _rows(case).aim_at_rows(case)
    if isinstance(case.body, str):
        case.query = {**case.query, **_options_of_file(case.query)}
        if phase is not TestPhase.EXAMPLES:
            case.body = _csv_file(case.body)
    _rows(case).make_acceptable(case)


@schemathesis.hook
def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
    """Record the rows that a request created or deleted."""
    if os.environ.get(VARIABLE):
        _rows(case).learn(case, response)


@schemathesis.hook
def filter_body(context: HookContext, body: object) -> bool:
    """Exclude texts that may be valid by the document but not in the service, or the reverse."""
    return all(map(_is_measured_alike, _texts(body)))


@schemathesis.hook
def filter_query(context: HookContext, query: object) -> bool:
    """Exclude texts that may be valid by the document but not in the service, or the reverse."""
    return all(map(_is_measured_alike, _texts(query)))


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [text for one in value for text in _texts(one)] if isinstance(value, list) else []


def _is_measured_alike(text: str) -> bool:
    """Return whether cleaning a text leaves its length and visibility the same for the limits.

    JSON Schema cannot express how a text is cleaned, nor which characters are visible.
    """
    try:
        cleaned = clean_text(text)
    except PydanticCustomError:
        return True  # the pattern in the document rejects it too
    assert isinstance(cleaned, str)
    shrinks = len(cleaned) < len(text) > SHORTEST_BOUND
    grows = len(cleaned) > len(text)
    return not (shrinks or grows or (text.strip() and not name_key(cleaned)))


@schemathesis.serializer("text/csv")
def text_as_bytes(context: SerializationContext, text: object) -> bytes:
    """Send a file unchanged."""
    return str(text).encode()


def _with_offset(moment: datetime, minutes: int) -> str:
    return moment.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat()


MOMENTS = st.builds(
    _with_offset,
    # Without the first and last days, beyond which a span may reach. Hostile requests have those.
    st.datetimes(datetime(FIRST_YEAR, 1, 3), datetime(LAST_YEAR - 1, 12, 29)),
    st.integers(1 - 24 * 60, 24 * 60 - 1),
)
"""Dates and times that the service accepts; the format of JSON Schema allows more."""

# These strategies define formats that JSON Schema leaves open, and narrow formats with very many
# values. All their values are ones that the service should accept.
schemathesis.openapi.format(
    "time-zone", st.sampled_from(["UTC", "Europe/Lisbon", "America/Argentina/Buenos_Aires"])
)
schemathesis.openapi.format("date-time", MOMENTS)
schemathesis.openapi.format(
    "date", st.dates(date(1900, 1, 1), datetime.now(UTC).date()).map(date.isoformat)
)
schemathesis.openapi.format(
    "week", st.builds("{}-W{:02}".format, st.integers(FIRST_YEAR, LAST_YEAR), st.integers(1, 52))
)
schemathesis.openapi.format(
    "idn-email",
    st.builds(
        "{}@{}".format,
        st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,12}", fullmatch=True),
        st.sampled_from(["example.com", "boxes.example.org", "español.example.com"]),
    ),
)
