"""Hostile requests about leaderboards."""

from collections.abc import Iterator

from app.api.tests.hostile.requests import CSV, MARK, TWENTY_MB, Feature, Hostile, hostile
from app.athletes.tests.hostile import BAD_FILES
from app.conftest import API

BOARD = "competitions/<competition>/leaderboard"
BAD_ENCODINGS = ("", MARK, "base64", "../../etc", "cp1252%00", "cp1252%0A", "utf-7")
ROWS = "id,reference,name,category,centres,status,withdrawn_before,event,score,tie_break,scaling\n"
REJECTED_ROWS: dict[str, str] = {
    "NUL": ",a\0,b,c\n",
    "a control character": ",a,b\x1b[31m,c\n",
    "too many cells": ",a,b,c,,,,,,,,,,x\n",
    "an id that is none": f"{MARK},,b,c\n",
    "an event of 5 000 digits": f",a,b,c,,,,{'9' * 5000},6:21\n",
    "an event of another script's digits": ",a,b,c,,,,\u0661,6:21\n",
    "a negative event": ",a,b,c,,,,-1,6:21\n",
    "an event that is not there": ",a,,,,,,50,6:21\n",
    "a score of 100 000 digits": f",a,,,,,,1,{'9' * 90_000}\n",
    "an unknown status": f",a,b,c,,{MARK}\n",
    "an unknown scaling": f",a,b,c,,,,1,6:21,,{MARK}\n",
}


def _requests() -> Iterator[Hostile]:
    path = f"{API}/competitions/<competition>/import"
    for encoding in BAD_ENCODINGS:
        target = f"{path}?encoding={encoding}"
        name = f"encoding {encoding}"
        yield hostile(name, "POST", target, 422, CSV, body=ROWS, breaks="?encoding")
    for kind, (status, body) in BAD_FILES.items():
        if len(body) < TWENTY_MB:
            yield hostile(kind, "POST", path, status, CSV, body=body)
    for kind, row in REJECTED_ROWS.items():
        for query in ("", "?dry_run=true"):
            yield hostile(f"{kind} {query}", "POST", path + query, 200, CSV, body=ROWS + row)


FEATURE = Feature(
    things=(),
    requests=_requests,
    filters={
        BOARD: {
            "no category": "limit=1",
            "an offset": "category_id=<category>&offset=1",
            "event 0": "category_id=<category>&event=0",
            "event 51": "category_id=<category>&event=51",
            "the cursor of another list": "category_id=<category>&cursor=MDY0NWQ2ZDU2OGMxMS4y",
        },
    },
    good_filters={
        BOARD: {
            "an event that has no results": "category_id=<category>&event=50",
            "ranked anew by nothing": "category_id=<category>&rerank=true",
            "ranked anew": "category_id=<category>&sex=female&centre_id=<centre>&rerank=true",
        },
    },
)
