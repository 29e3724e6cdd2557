"""Contract fuzzing: it finds no failure, it would find one, and it leaves no process."""

import json
import re
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import given, settings
from pydantic import TypeAdapter
from schemathesis import HookContext, Response
from schemathesis.generation.meta import TestPhase

from app.commands.prove.fuzz import verdict
from app.commands.prove.fuzz_hooks import (
    MOMENTS,
    PASSWORD,
    Rows,
    contract_is_kept,
    filter_body,
    filter_query,
    strangers_are_refused,
)
from app.commands.tests.launcher import launched, living
from app.conftest import API
from app.core.errors import PROBLEM_MEDIA_TYPE, AlreadyTaken, NotFound
from app.core.resources.fields import Moment
from app.identity.tests.callers import ADMIN

Json = dict[str, Any]

ENROLMENT = "/athletes/{athlete_id}/centres/{centre_id}"
CENTRE = "/centres/{centre_id}"
TRAINING = "/trainings/{training_id}"
BOOKING = "/bookings/{booking_id}"
BOOKINGS = f"{TRAINING}/bookings"
NOBODY = "00000000-0000-0000-0000-000000000000"
CASES = 500
BEGUN = re.compile("Loaded specification")
CLEAN = {
    "complete": True,
    "test_cases": {"generated": 2000, "unique_failures": 0},
    "errors": [],
    "warnings": {"missing_test_data": [], "low_valid_rate": []},
}


@pytest.mark.slow
def test_fuzzing_finds_no_failure_and_tests_the_chosen_operations(tmp_path: Path) -> None:
    """Fuzz a part of the operations; ``.ci/run`` fuzzes all of them."""
    only = "--only=training|booking|session|token"
    with launched("fuzz", "--cases=3", "--seed=1", only, DATA_DIR=str(tmp_path)) as launcher:
        launcher.read_until(BEGUN)
        family = launcher.family()
        assert launcher.ended(100) == 0, launcher.output

    assert living(family) == []
    report = json.loads((tmp_path / "fuzz" / "report.json").read_text())
    assert report["test_cases"]["generated"] >= CASES
    assert (report["failures"], report["errors"]) == ([], [])
    assert {name for name, found in report["warnings"].items() if found} == set()
    assert report["operations"]["tested"] == report["operations"]["selected"] > 15
    assert {name: phase["status"] for name, phase in report["phases"].items()} == dict.fromkeys(
        ["examples", "coverage", "fuzzing", "stateful"], "success"
    )


@pytest.mark.slow
def test_a_signal_also_stops_the_service_and_its_database(tmp_path: Path) -> None:
    with launched("fuzz", "--cases=1", DATA_DIR=str(tmp_path)) as launcher:
        launcher.read_until(BEGUN)
        family = launcher.family()
        assert "postgres" in {process.name() for process in family}

        assert launcher.stop(signal.SIGTERM) == 128 + signal.SIGTERM

    assert living(family) == []
    assert "Traceback" not in launcher.output


@pytest.mark.slow
def test_a_service_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    with launched(
        "fuzz", "--url=http://127.0.0.1:1", DATA_DIR=str(tmp_path), CROSSFIT_TOKEN=ADMIN.token
    ) as launcher:
        assert launcher.ended() == 1

    assert launcher.output.startswith("error: http://127.0.0.1:1/api/v1/ does not answer")


class TestVerdict:
    @pytest.fixture
    def report(self, tmp_path: Path) -> Path:
        return tmp_path / "report.json"

    def test_a_clean_report_passes(self, report: Path) -> None:
        report.write_text(json.dumps(CLEAN))

        assert verdict(report, 0) == 0

    @pytest.mark.parametrize(
        "found",
        [
            {"test_cases": {"generated": 2000, "unique_failures": 1}},
            {"test_cases": {"generated": 0, "unique_failures": 0}},
            {"errors": [{"title": "Hook Error", "count": 1}]},
            {"warnings": {"missing_test_data": ["GET /api/v1/athletes/{athlete_id}"]}},
            {"complete": False},
        ],
    )
    def test_a_report_with_a_finding_fails(self, report: Path, found: Json) -> None:
        report.write_text(json.dumps(CLEAN | found))

        assert verdict(report, 0) == 1

    def test_an_error_status_of_the_command_fails(self, report: Path) -> None:
        report.write_text(json.dumps(CLEAN))

        assert verdict(report, 1) == 1

    def test_a_missing_report_fails(self, report: Path) -> None:
        assert verdict(report, 0) == 1


def answer_of(status: int, content: bytes = b"", **headers: str) -> Response:
    listed = {name.replace("_", "-"): [value] for name, value in headers.items()}
    request = requests.Request("GET", "http://service/").prepare()
    return Response(status, listed, content, request, elapsed=0.1, verify=False)


@pytest.mark.parametrize("status", [200, 403, 404, 422])
def test_a_stranger_who_gets_in_is_found(app: FastAPI, status: int) -> None:
    schema = schemathesis.openapi.from_dict(app.openapi())
    private, public = (schema[path]["GET"].Case() for path in (f"{API}/me", "/health/live"))

    strangers_are_refused(Mock(), answer_of(401), private)
    strangers_are_refused(Mock(), answer_of(status), public)
    with pytest.raises(AssertionError, match=f"without a token got {status}"):
        strangers_are_refused(Mock(), answer_of(status), private)


class TestCheck:
    def check(self, status: int, **headers: str) -> None:
        contract_is_kept(Mock(), answer_of(status, b"", **headers), Mock())

    def test_a_response_that_meets_the_contract_passes(self) -> None:
        self.check(204, x_request_id="1")
        self.check(404, x_request_id="1", content_type=PROBLEM_MEDIA_TYPE)

    @pytest.mark.parametrize("status", [500, 503])
    def test_a_response_with_a_5xx_status_is_found(self, status: int) -> None:
        with pytest.raises(AssertionError, match=f"failed with {status}"):
            self.check(status, x_request_id="1", content_type=PROBLEM_MEDIA_TYPE)

    @pytest.mark.parametrize("headers", [{}, {"content_type": "text/plain"}])
    def test_an_error_without_a_problem_document_is_found(self, headers: Json) -> None:
        with pytest.raises(AssertionError, match="instead of a problem document"):
            self.check(400, x_request_id="1", **headers)

    def test_a_response_without_a_request_id_is_found(self) -> None:
        with pytest.raises(AssertionError, match="X-Request-ID"):
            self.check(200)


Make = Callable[..., Any]
"""Makes a case from a method, a path and the parts of a request."""


def meta_of(phase: TestPhase) -> Mock:
    """Make the metadata that schemathesis gives a case of a phase."""
    meta = Mock(**{"is_dirty.return_value": False})
    meta.phase.name, meta.components = phase, {}
    return meta


class TestRows:
    @pytest.fixture
    def asked(self) -> list[httpx.Request]:
        return []

    @pytest.fixture
    def make(self, app: FastAPI) -> Make:
        schema = schemathesis.openapi.from_dict(app.openapi())
        return lambda method, path, **parts: schema[API + path][method].Case(**parts)

    @pytest.fixture
    def rows(self, app: FastAPI, asked: list[httpx.Request]) -> Iterator[Rows]:
        """Provide the rows of a fake service with one row of each kind; created ids say ``new``."""

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            if NOBODY in request.url.path:
                return httpx.Response(404, json={"type": NotFound.type.uri})
            if request.method == "POST":
                secrets = {"code": "new code", "token": "new token", "account": {"id": "new one"}}
                return httpx.Response(201, json={"id": f"new {request.url.path}", **secrets})
            if request.url.path == f"{API}/tokens":
                return httpx.Response(200, json={"items": [{"id": str(ADMIN.id)}, {"id": "1"}]})
            etag = {"ETag": '"3-a"'} if request.url.path.count("/") > 3 else {}
            link = f"{request.url.path}?limit=1&cursor=abc"
            page = {"items": [{"id": request.url.path}], "next": link}
            times = {"starts_at": "2030-01-01T18:00:00Z", "ends_at": "2030-01-01T19:00:00Z"}
            return httpx.Response(200, headers=etag, json=page | times | {"reference": "M-7"})

        transport = httpx.MockTransport(answer)
        with httpx.Client(base_url="http://service", transport=transport) as service:
            yield Rows(service, app.openapi(), ADMIN.token)

    def test_the_token_of_the_requests_is_not_revoked(self, rows: Rows, make: Make) -> None:
        meta = meta_of(TestPhase.FUZZING)  # in which some requests refer to rows that were there
        chosen = set()
        for _ in range(400):
            given = {"token_id": "9"}
            case = make("DELETE", "/tokens/{token_id}", path_parameters=given, _meta=meta)
            rows.aim_at_rows(case)
            chosen.add(case.path_parameters["token_id"])
        assert "1" in chosen
        assert str(ADMIN.id) not in chosen

    def test_an_account_is_made_by_an_invitation_and_no_other_is_changed(
        self, rows: Rows, make: Make, asked: list[httpx.Request]
    ) -> None:
        case = make("PATCH", "/accounts/{account_id}", path_parameters={"account_id": "9"})

        rows.aim_at_rows(case)

        assert case.path_parameters == {"account_id": "new one"}
        assert f"{API}/accounts" not in [one.url.path for one in asked]

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("DELETE", "/sessions/current"),
            ("POST", "/sessions/current/jwt"),
            ("DELETE", "/sessions/{session_id}"),
            ("PUT", "/me/password"),
        ],
    )
    def test_a_request_about_own_sessions_is_that_of_a_member(
        self, rows: Rows, make: Make, method: str, path: str
    ) -> None:
        case = make(method, path, headers=ADMIN.headers)

        rows.make_acceptable(case)

        assert case.headers["Authorization"] == "Bearer new token"

    def test_a_probe_with_another_token_keeps_it(self, rows: Rows, make: Make) -> None:
        headers = {"Authorization": "Bearer made up"}
        case = make("DELETE", "/sessions/current", headers=headers)

        rows.make_acceptable(case)

        assert case.headers["Authorization"] == "Bearer made up"

    @pytest.mark.parametrize(
        ("path", "body", "changed"),
        [
            ("/invitations", {"role": "coach"}, {"role": None, "centre_id": None}),
            ("/invitations/accept", {"code": "0", "password": "a" * 15}, {"code": "new code"}),
            ("/invitations/accept", {"code": "0", "password": "a" * 15}, {"password": PASSWORD}),
            ("/resets/accept", {"code": "0", "password": "ink, 15 owls, Ω"}, {"code": "new code"}),
            ("/resets/accept", {"password": "ink, 15 owls, Ω"}, {"password": "ink, 15 owls, Ω"}),
            ("/sessions", {"email": "a@example.com", "password": "0"}, {"password": PASSWORD}),
        ],
    )
    def test_only_the_service_knows_codes_passwords_and_roles(
        self, rows: Rows, make: Make, path: str, body: Json, changed: Json
    ) -> None:
        case = make("POST", path, body=body)

        rows.make_acceptable(case)

        assert {name: case.body[name] for name in changed} == changed

    def test_generated_ids_are_replaced_by_ids_of_rows(self, rows: Rows, make: Make) -> None:
        case = make("PUT", ENROLMENT, path_parameters={"athlete_id": "1", "centre_id": "2"})

        rows.aim_at_rows(case)

        assert case.path_parameters["athlete_id"].endswith("/athletes")
        assert case.path_parameters["centre_id"].endswith("/centres")

    def test_an_enrolment_is_created_before_it_is_deleted(
        self, rows: Rows, make: Make, asked: list[httpx.Request]
    ) -> None:
        case = make("DELETE", ENROLMENT, path_parameters={"athlete_id": "1", "centre_id": "2"})

        rows.aim_at_rows(case)

        assert asked[-1].method == "PUT"

    def test_a_new_row_is_created_for_a_delete(self, rows: Rows, make: Make) -> None:
        case = make("DELETE", CENTRE, path_parameters={"centre_id": "1"})

        rows.aim_at_rows(case)

        assert case.path_parameters == {"centre_id": f"new {API}/centres"}

    def test_a_new_training_and_a_new_athlete_are_created_for_a_booking(
        self, rows: Rows, make: Make
    ) -> None:
        case = make(
            "POST",
            BOOKINGS,
            path_parameters={"training_id": "1"},
            body={"athlete_id": "2", "waitlist": True},
        )

        rows.aim_at_rows(case)
        rows.make_acceptable(case)

        assert case.path_parameters == {"training_id": f"new {API}/trainings"}
        assert case.body == {"athlete_id": f"new {API}/athletes", "waitlist": True}

    def test_a_new_booking_is_created_for_an_operation_on_it(
        self, rows: Rows, make: Make, asked: list[httpx.Request]
    ) -> None:
        case = make("POST", "/bookings/{booking_id}/cancel", path_parameters={"booking_id": "1"})

        rows.aim_at_rows(case)

        made = f"{API}/trainings/new {API}/trainings/bookings"
        assert case.path_parameters == {"booking_id": f"new {made}"}
        assert asked[-1].url.path == made

    def test_the_id_of_a_created_booking_is_used_later(self, rows: Rows, make: Make) -> None:
        booked = make("POST", BOOKINGS, path_parameters={"training_id": "1"})
        rows.learn(booked, answer_of(201, b'{"id": "mine"}'))

        asked_for = set()
        for _ in range(50):
            case = make("GET", BOOKING, path_parameters={"booking_id": "1"})
            rows.aim_at_rows(case)
            asked_for.add(case.path_parameters["booking_id"])

        assert "mine" in asked_for

    def test_a_row_in_the_right_state_is_created_for_each_change(
        self, rows: Rows, make: Make, asked: list[httpx.Request]
    ) -> None:
        rows.aim_at_rows(make("GET", BOOKING, path_parameters={"booking_id": "1"}))  # fills up
        for method, path, made in (
            ("POST", f"{BOOKING}/cancel", ["athletes", "bookings", "trainings"]),
            ("POST", f"{BOOKING}/check-out", ["athletes", "bookings", "check-in", "trainings"]),
            ("POST", f"{TRAINING}/cancel", ["trainings"]),
            ("PATCH", TRAINING, ["trainings"]),
        ):
            (parameter,) = re.findall(r"{(\w+)}", path)
            case = make(method, path, path_parameters={parameter: "1"})
            asked.clear()

            rows.aim_at_rows(case)

            posted = [one.url.path.rpartition("/")[2] for one in asked if one.method == "POST"]
            assert sorted(posted) == made, path
            assert case.path_parameters[parameter].startswith("new ")

    @pytest.mark.parametrize(
        ("starts_at", "ends_at", "until"),
        [
            ("2000-01-01T18:00:00Z", "2000-01-02T18:00:00z", "2000-01-02T18:00:00z"),
            (
                "2000-01-01T18:00:00-03:00",
                "2100-01-01T21:30:00Z",
                "2000-01-01T18:30:00.000001-03:00",
            ),
            ("2000-01-01T18:00:00Z", "2000-01-01T17:00:00Z", "2000-01-01T19:00:00.000001+00:00"),
            ("2000-01-01T18:00:00Z", "2000-01-01T18:00:00Z", "2000-01-01T18:00:00.000001+00:00"),
        ],
    )
    def test_generated_times_are_changed_to_end_after_the_start(
        self, rows: Rows, make: Make, starts_at: str, ends_at: str, until: str
    ) -> None:
        case = make("POST", "/trainings", body={"starts_at": starts_at, "ends_at": ends_at})

        rows.make_acceptable(case)

        assert case.body == {"starts_at": starts_at, "ends_at": until}

    @pytest.mark.parametrize(
        ("given", "changed"),
        [
            ({"ends_at": "2030-01-01T17:30:00Z"}, "2030-01-01T18:30:00.000001+00:00"),
            ({"starts_at": "2030-01-01T19:30:00Z"}, "2030-01-01T18:29:59.999999+00:00"),
            ({"starts_at": "2030-01-01T18:30:00Z"}, "2030-01-01T18:30:00Z"),
        ],
    )
    def test_a_single_time_is_fitted_to_the_other_time_of_the_training(
        self, rows: Rows, make: Make, given: Json, changed: str
    ) -> None:
        case = make("PATCH", TRAINING, path_parameters={"training_id": "1"}, body=given)

        rows.make_acceptable(case)

        assert case.body == dict.fromkeys(given, changed)

    def test_a_time_for_an_unknown_training_is_not_changed(self, rows: Rows, make: Make) -> None:
        body = {"ends_at": "2030-01-01T17:30:00Z"}
        case = make("PATCH", TRAINING, path_parameters={"training_id": NOBODY}, body=body)

        rows.make_acceptable(case)

        assert case.body == body

    def test_most_trainings_of_the_stateful_phase_start_within_an_hour(
        self, rows: Rows, make: Make
    ) -> None:
        given = {"starts_at": "1900-01-03T18:00:00Z", "ends_at": "1900-01-03T19:00:00Z"}
        spans = []
        for _ in range(40):
            case = make("POST", "/trainings", body=given, _meta=meta_of(TestPhase.STATEFUL))
            rows.make_acceptable(case)
            spans.append([datetime.fromisoformat(case.body[time]) for time in given])

        now = datetime.now(UTC)
        soon = [end - start for start, end in spans if now < start < now + timedelta(hours=1)]
        assert 20 < len(soon) < 40
        assert set(soon) == {timedelta(hours=1)}

    def test_a_new_centre_is_created_for_a_training(self, rows: Rows, make: Make) -> None:
        case = make("POST", "/trainings", body={"centre_id": "1", "capacity": 1000})

        rows.make_acceptable(case)

        assert case.body == {"centre_id": f"new {API}/centres", "capacity": 1000}

    def test_a_lookup_gets_the_reference_of_a_row(self, rows: Rows, make: Make) -> None:
        case = make("POST", "/athletes/lookup", body={"reference": "made up"})

        rows.aim_at_rows(case)

        assert case.body == {"reference": "M-7"}

    def test_generated_ids_in_a_body_are_replaced_by_ids_of_rows(
        self, rows: Rows, make: Make
    ) -> None:
        case = make(
            "POST", "/athletes", body={"name": "Mara", "category_id": "1", "centre_ids": ["2", "3"]}
        )

        rows.make_acceptable(case)

        assert case.body["category_id"].endswith("/categories")
        assert [one.rpartition("/")[2] for one in case.body["centre_ids"]] == ["centres"] * 2
        assert case.body["name"] == "Mara"

    def test_a_generated_decimal_gets_as_few_places_as_any_field_has(
        self, rows: Rows, make: Make
    ) -> None:
        case = make(
            "PATCH", "/athletes/{athlete_id}", body={"height_cm": 168.5391, "weight_kg": 60}
        )

        rows.make_acceptable(case)

        assert case.body == {"height_cm": 168.5, "weight_kg": 60}

    def test_a_value_that_was_taken_is_not_sent_again(self, rows: Rows, make: Make) -> None:
        case = make(
            "POST",
            "/athletes",
            body={"name": "Mara", "reference": "M-1", "email": "mara@example.com"},
        )
        errors = [{"pointer": "/reference"}, {"pointer": "/email"}]
        taken = json.dumps({"type": AlreadyTaken.type.uri, "errors": errors})
        rows.learn(case, answer_of(409, taken.encode()))

        rows.make_acceptable(case)

        assert case.body["name"] == "Mara"
        assert case.body["reference"] != "M-1"
        assert len(case.body["reference"]) == 3
        assert re.fullmatch("[0-9a-f]{6}mara@example.com", case.body["email"])

    def test_a_generated_cursor_is_replaced_by_one_of_the_list(
        self, rows: Rows, make: Make, asked: list[httpx.Request]
    ) -> None:
        case = make(
            "GET",
            "/centres",
            query={"cursor": "made up", "offset": 3, "sort": "-name", "limit": 50},
        )

        rows.make_acceptable(case)

        assert case.query == {"cursor": "abc", "sort": "-name", "limit": 50}
        assert dict(asked[-1].url.params) == {"sort": "-name", "limit": "1"}

    def test_an_idempotency_key_becomes_unique_and_if_match_gets_the_etag(
        self, rows: Rows, make: Make
    ) -> None:
        case = make(
            "PATCH",
            "/athletes/{athlete_id}",
            path_parameters={"athlete_id": "1"},
            headers={"Idempotency-Key": "0", "If-Match": "0"},
        )

        rows.make_acceptable(case)

        assert re.fullmatch("[0-9a-f]{32}0", case.headers["Idempotency-Key"])
        assert case.headers["If-Match"] == '"3-a"'

    def test_the_id_of_a_deleted_row_is_not_used_again(
        self, rows: Rows, make: Make, asked: list[httpx.Request]
    ) -> None:
        gone = {"centre_id": f"{API}/centres"}
        rows.learn(make("DELETE", CENTRE, path_parameters=gone), answer_of(204))

        for _ in range(50):
            case = make("GET", CENTRE, path_parameters={"centre_id": "1"})
            rows.aim_at_rows(case)
            assert case.path_parameters != gone


@pytest.mark.parametrize(
    ("text", "alike"),
    [
        ("Scaled", True),
        ("\0", True),
        (" ", True),
        ("\u200b", False),
        ("\u0301", False),
        ("\u0958", False),
        ("x" * 50 + " ", False),
    ],
)
def test_texts_that_the_document_cannot_validate_are_excluded(text: str, alike: bool) -> None:
    assert filter_body(HookContext(), {"name": "Rx", "centres": [{"name": text}, 1]}) == alike
    assert filter_query(HookContext(), {"name": text}) == alike


@given(MOMENTS)
@settings(max_examples=50, database=None, deadline=None)
def test_generated_times_are_accepted(text: str) -> None:
    assert TypeAdapter(Moment).validate_python(text) == datetime.fromisoformat(text)
