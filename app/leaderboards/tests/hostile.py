"""Hostile requests about leaderboards."""

from app.api.tests.hostile.requests import Feature

BOARD = "competitions/<competition>/leaderboard"
FEATURE = Feature(
    things=(),
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
