"""Leaderboards: pages, filters, revisions."""

import httpx

from app.conftest import Create, Json


async def test_a_throwdown(client: httpx.AsyncClient, create: Create) -> None:
    category = await create("categories", {"name": "Open"})
    athletes = [
        await create("athletes", {"name": name, "category_id": category["id"], "sex": "female"})
        for name in ("Ana", "Bea", "Cem")
    ]
    fran = await create(
        "workouts",
        {"name": "Short one", "score_type": "time", "time_cap_ms": 600_000, "total_reps": 90},
    )
    competition = await create(
        "competitions", {"name": "Throwdown", "starts_on": "2026-12-05", "ends_on": "2026-12-06"}
    )
    url = f"/api/v1/competitions/{competition['id']}"
    event = await create(
        f"competitions/{competition['id']}/events",
        {"workout_id": fran["id"], "published_at": "2026-01-01T00:00:00Z"},
    )
    entries = [
        await create(f"competitions/{competition['id']}/entries", {"athlete_id": athlete["id"]})
        for athlete in athletes
    ]
    opened = await client.post(f"{url}/open")
    assert opened.status_code == 200, opened.text
    for entry, score in zip(entries, ("6:21", "CAP+12", "6:21"), strict=True):
        put = await client.put(
            f"/api/v1/competition-events/{event['id']}/results/{entry['id']}",
            json={"score": score},
        )
        assert put.status_code == 200, put.text
    board = await client.get(f"{url}/leaderboard", params={"category_id": category["id"]})
    assert board.status_code == 200
    print(board.text)
    for extra in ({"sex": "female"}, {"sex": "female", "rerank": "true"}, {"event": 1, "limit": 1}):
        board = await client.get(
            f"{url}/leaderboard", params={"category_id": category["id"], **extra}
        )
        assert board.status_code == 200
        print(board.text)
    standing = await client.get(f"/api/v1/entries/{entries[1]['id']}/standing")
    print(standing.text)
    result: Json = put.json()
    print(put.text)
    review = await client.post(
        f"/api/v1/results/{result['id']}/review",
        json={"review": "adjusted", "score": "6:20", "reason": "one rep more"},
    )
    assert review.status_code == 200, review.text
    print((await client.get(f"/api/v1/results/{result['id']}/changes")).text)
    print((await client.get(f"/api/v1/athletes/{athletes[0]['id']}/records")).text)
