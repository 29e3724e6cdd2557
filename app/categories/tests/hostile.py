"""Hostile requests about categories: other spellings of a name that is taken."""

import json
from collections.abc import Iterator

from app.api.tests.hostile.requests import JSON, Feature, Hostile, Thing, hostile
from app.conftest import API

TAKEN = "Strasse Élite"
"""The name of the category that exists."""

TWINS: dict[str, str] = {
    "the same": TAKEN,
    "upper case": TAKEN.upper(),
    "a sharp s": "Stra\u00dfe Élite",
    "a capital sharp s": "Stra\u1e9ee Élite",
    "long s": "\u017ftra\u017f\u017fe Élite",
    "full width": "\uff33\uff54\uff52asse Élite",
    "mathematical": "\U0001d412trasse Élite",
    "circled": "\u24c8trasse Élite",
    "superscript": "\u02e2trasse Élite",
    "decomposed": "Strasse E\u0301lite",
    "without accents": "Strasse Elite",
    "with more accents": "Str\u0301\u0316a\u0301sse Élite",
    "a dotted capital i": "Strasse Él\u0130te",
    "a dotless i": "Strasse Él\u0131te",
    "a stroke": "Strasse É\u0142ite",
    "an enclosing mark": "Stra\u20ddsse Élite",
    "a ligature": "Stra\ufb06".replace("\ufb06", "s\u017f") + "e Élite",
    "a no-break space": "Strasse\u00a0Élite",
    "an ideographic space": "Strasse\u3000Élite",
    "a line separator": "Strasse\u2028Élite",
    "spaces all around": " \t Strasse \n  Élite\u2003",
    "a zero-width joiner": "Stra\u200dsse Élite",
    "a zero-width non-joiner": "Stra\u200csse Élite",
    "a zero-width space": "Stra\u200bsse Élite",
    "a soft hyphen": "Stra\u00adsse Élite",
    "a byte order mark": "\ufeffStrasse Élite",
    "the other direction": "\u202eStrasse Élite\u202c",
    "a variation selector": "Stra\ufe0fsse Élite",
    "a joiner of graphemes": "Stra\u034fsse Élite",
    "a tag": "Strasse\U000e0041 Élite",
    "a Hangul filler": "Strasse\u3164 Élite",
}
"""Spellings of the taken name: case, accents and invisible characters do not make a new name."""
STRANGERS: dict[str, str] = {
    "a Cyrillic letter": "Strass\u0435 Élite",
    "a Cyrillic letter with a mark": "Strass\u0451 Élite",
    "a small capital": "Strasse Él\u026ate",
    "a kana mark": "Stra\u3099sse Élite",
    "a hyphen": "Strasse-Élite",
    "without the space": "StrasseÉlite",
}
"""Names that look like the taken one, but are different."""


def _names() -> Iterator[Hostile]:
    path, one = f"{API}/categories", f"{API}/categories/<other>"
    for kind, twin in TWINS.items():
        for escaped in (True, False):
            body = json.dumps({"name": twin}, ensure_ascii=escaped)
            yield hostile(f"a twin by {kind}", "POST", path, 409, JSON, body=body)
            yield hostile(f"a twin by {kind}", "PATCH", one, 409, JSON, body=body)
    for kind, stranger in STRANGERS.items():
        body = json.dumps({"name": stranger})
        yield hostile(f"another name by {kind}", "POST", path, 201, JSON, body=body)
    target = f"{API}/categories/<category>"
    yield hostile("delete what athletes belong to", "DELETE", target, 409)


FEATURE = Feature(
    things=(
        Thing("<category>", "categories", {"name": TAKEN}, "categories/<category>"),
        Thing("<other>", "categories", {"name": "Other"}, "categories/<other>"),
    ),
    requests=_names,
)
