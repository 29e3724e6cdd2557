"""Two validators and the service agree about the boundaries of every parameter and body.

The values are sent to a running service. The hundredths of each decimal, about 180 000 bodies, go
to the objects with which FastAPI validates bodies, after the service's own JSON parser, because
as requests they would take minutes. Every 400th of them is sent too.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from app.application import create_app
from app.commands.token import Remote
from app.core.settings import Settings
from clients.boundaries import Case, Document, cases, decimals
from clients.tools import NODE, PYTHON, run

pytestmark = [pytest.mark.usefixtures("installed"), pytest.mark.timeout(600)]

REFUSED_WITHOUT_A_WORD = {
    ("bad_cursor", ".*"): "cursors are opaque",
    ("common_password", ".*"): "no keyword has the list of common passwords",
    ("date_out_of_range", ".*"): "no keyword has the range of a date",
    ("datetime_out_of_range", ".*"): "no keyword has the range of a time",
    ("decimal_max_places", ".*"): "multipleOf is computed in binary, where 50.3 is not 503 * 0.1",
    ("email", "(?!255 characters).*"): "ajv has no idn-email, and jsonschema only looks for an @",
    ("encoding", ".*"): "the names of an encoding are those that Python knows",
    ("int_parsing", ".*"): "20.0 is the integer 20 in JSON, but not in a URL",
    ("no_such_moment", "a leap second|the year 0000"): "PostgreSQL and Python have neither",
    ("no_such_week", ".*"): "no keyword knows which years have 53 weeks",
    ("not_valid", ".*"): "only the service knows which codes are open",
    ("reused", ".*"): "an idempotency key is refused because of an earlier request",
    ("role_at_centre", ".*"): "the rule is about two fields",
    (
        "secret_length",
        "[0-9]+ letters with an accent apart",
    ): "a password is measured when it is composed (NFC)",
    ("span", ".*"): "the rule is about two fields",
    (
        "text_empty",
        "(.*(spaces|direction|tags|marks?|graphemes|joiner|selectors|fillers)|U[+]FEFF) alone",
    ): "no keyword knows which characters are visible",
    ("time_zone", "(?!65 letters).*"): "the list of time zones changes several times a year",
    ("unusable_character", ".* surrogate.*|surrogates .*"): "see decision 0012",
    ("unusable_character", "NUL"): "an email has no pattern, since its format says more",
}
"""Reasons why validators may accept what the service refuses, by its error code and the value."""
TAKEN_WITHOUT_A_WORD = {
    "[0-9]+ letters and a space around": "a text is measured without spaces around it",
    "[0-9]+ letters with an accent apart": "a text is measured when it is composed (NFC)",
}
"""Reasons why validators may refuse what the service takes, by the value."""
READ_OTHERWISE = {
    ("ajv", "a space for the T"): "ajv-formats allows it; RFC 3339 has a T in its grammar",
    ("ajv", "an offset of hours"): "ajv-formats allows it; RFC 3339 does not",
    ("ajv", "an offset without a colon"): "ajv-formats allows it; RFC 3339 does not",
    ("ajv", "as a URN"): "ajv-formats allows the prefix; RFC 9562 has it in URNs only",
    ("jsonschema", "a line break"): "rfc3339-validator and Python's $ overlook one at the end",
    ("jsonschema", "with another script's digits"): "Python reads digits of every script",
}
"""Validators that read JSON Schema otherwise than its specification, and than the service."""


@dataclass(frozen=True)
class Verdict:
    """What the service said: whether it took a value, else the codes of its errors."""

    takes: bool
    codes: frozenset[str] = frozenset()


def caller_of(service: Remote) -> httpx.Client:
    """Make a client with the token of an administrator."""
    return httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {service.token}"})


def verdict_on(case: Case, client: httpx.Client) -> Verdict:
    """Send a value to the service. Other errors than 422 are about rows: the value is valid."""
    headers = {"Content-Type": "application/json"} if case.body else {}
    response = client.request(
        *(case.method, case.path),
        params=case.query,
        headers=headers | (case.headers or {}),
        content=case.body,
    )
    assert response.status_code in {200, 201, 401, 404, 409, 422, 429}, f"{case}: {response.text}"
    if response.status_code != 422:
        return Verdict(True)
    return Verdict(False, frozenset(error["code"] for error in response.json()["errors"]))


def validated(
    document: Document, values: list[tuple[str, str]], folder: Path
) -> dict[str, list[bool]]:
    """Return whether each validator accepts each pair of a schema's place and JSON."""
    file = folder / "cases.json"
    file.write_text(json.dumps({"document": document, "cases": values}), "utf-8")
    return {
        "ajv": json.loads(run([NODE, "validate.ts", file])),
        "jsonschema": json.loads(run([PYTHON, "validate.py", file])),
    }


def reason_of(validator: str, case: Case, service: Verdict) -> object:
    """Return the key of the reason why a validator disagrees with the service, or None."""
    value = case.what.removeprefix("an item: ")
    if (validator, value) in READ_OTHERWISE:
        return validator, value
    if service.takes:
        reasons = (key for key in TAKEN_WITHOUT_A_WORD if re.fullmatch(key, value))
        return next(reasons, None)
    for code, values in REFUSED_WITHOUT_A_WORD:
        if code in service.codes and re.fullmatch(values, value):
            return code, values
    return None


def test_validators_and_the_service_agree_on_the_boundaries_of_every_field(
    service: Remote, tmp_path: Path
) -> None:
    document = httpx.get(f"{service.url}/openapi.json").json()
    all_cases = list(cases(document))
    with caller_of(service) as client:
        verdicts = [verdict_on(case, client) for case in all_cases]
    accepted = validated(document, [(case.place, case.value) for case in all_cases], tmp_path)

    unexplained: list[str] = []
    needed: set[object] = set()
    for validator, answers in accepted.items():
        for case, verdict, accepts in zip(all_cases, verdicts, answers, strict=True):
            if accepts == verdict.takes:
                continue
            reason = reason_of(validator, case, verdict)
            if reason:
                needed.add(reason)
            else:
                unexplained.append(f"{validator} says {accepts}, the service {verdict}: {case}")

    assert not unexplained, "\n".join([f"{len(unexplained)} in all", *unexplained[:30]])
    assert needed == {*REFUSED_WITHOUT_A_WORD, *TAKEN_WITHOUT_A_WORD, *READ_OTHERWISE}
    assert {verdict.takes for verdict in verdicts} == {True, False}


def test_validators_take_every_decimal_that_the_service_takes(
    service: Remote, tmp_path: Path
) -> None:
    document = httpx.get(f"{service.url}/openapi.json").json()
    bodies: dict[str, Any] = {
        route.endpoint.__name__: route.body_field
        for route in iter_route_contexts(create_app(Settings.model_construct()).routes)
        if route.endpoint and isinstance(route.route, APIRoute)
    }
    all_cases = list(decimals(document))

    taken = [
        not bodies[case.operation].validate(json.loads(case.body or ""))[1] for case in all_cases
    ]
    accepted = validated(document, [(case.place, case.value) for case in all_cases], tmp_path)
    with caller_of(service) as client:
        sent = [verdict_on(case, client) for case in all_cases[::400]]

    assert sum(taken) > 100_000
    assert taken[::400] == [verdict.takes for verdict in sent]
    # The places after the point are the only difference.
    assert {code for verdict in sent for code in verdict.codes} == {"decimal_max_places"}
    for validator, answers in accepted.items():
        refused = [
            str(case)
            for case, takes, accepts in zip(all_cases, taken, answers, strict=True)
            if takes and not accepts
        ]
        assert refused == [], f"{validator} refuses {len(refused)} decimals"
