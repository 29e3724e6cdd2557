"""The occupancy of a centre, now and at a given time."""

from datetime import timedelta

from app.conftest import API, Create, not_found, problem
from app.core.resources.fields import new_id
from app.trainings.tests.conftest import HOUR, SOON, Gym, Pass, at

MINUTE = timedelta(minutes=1)


async def counts(gym: Gym, query: str = "") -> tuple[int | None, ...]:
    """Return the numbers ``present``, ``reserved``, ``waiting`` and ``available``."""
    found = await gym.read(f"centres/{gym.centre_id}/occupancy{query}")
    return tuple(found[name] for name in ("present", "reserved", "waiting", "available"))


async def test_a_centre_without_a_running_training_is_empty(gym: Gym) -> None:
    await gym.training()

    found = await gym.read(f"centres/{gym.centre_id}/occupancy")

    assert found == {
        "at": found["at"],
        "capacity": None,
        "present": 0,
        "reserved": 0,
        "waiting": 0,
        "available": None,
        "trainings": [],
    }
    assert found["at"] >= at(gym.opened)


async def test_check_in_and_check_out_change_the_counts(
    gym: Gym, create: Create, let_pass: Pass
) -> None:
    await gym.client.patch(f"{API}/centres/{gym.centre_id}", json={"capacity": 20})
    training = await gym.training(capacity=3)
    beside = await gym.training(SOON - MINUTE, capacity=5, name="Open gym")
    elsewhere = await create("centres", {"name": "Other"})
    cancelled = await gym.training(capacity=5)
    bookings = await gym.book(training, *await gym.athletes(5))
    await gym.book(beside, await gym.athlete())
    await gym.book(cancelled, await gym.athlete())
    await gym.book(await gym.training(centre_id=elsewhere["id"]), await gym.athlete())
    await gym.client.post(f"{API}/trainings/{cancelled['id']}/cancel")
    await gym.acted(bookings[0], "check-in")

    assert await counts(gym) == (1, 0, 0, 19)  # present before the start

    await let_pass(SOON)
    assert await counts(gym) == (1, 3, 2, 16)
    await gym.acted(bookings[1], "check-in")
    assert await counts(gym) == (2, 2, 2, 16)
    await gym.acted(bookings[0], "check-out")
    assert await counts(gym) == (1, 2, 2, 17)

    found = await gym.read(f"centres/{gym.centre_id}/occupancy")
    assert found["capacity"] == 20
    assert found["trainings"] == (await gym.read("trainings?status=scheduled&limit=2"))["items"]
    assert [one["id"] for one in found["trainings"]] == [beside["id"], training["id"]]
    assert [one["seats"]["taken"] for one in found["trainings"]] == [1, 3]

    await let_pass(HOUR)
    assert await counts(gym) == (0, 0, 0, 20)


async def test_an_athlete_checked_in_to_two_trainings_is_counted_once(
    gym: Gym, let_pass: Pass
) -> None:
    first, second = await gym.training(), await gym.training(SOON + HOUR)
    athlete_id = await gym.athlete()
    (now,), (later,) = await gym.book(first, athlete_id), await gym.book(second, athlete_id)
    await let_pass(SOON + HOUR / 2)

    await gym.acted(later, "check-in")
    assert await counts(gym) == (1, 0, 0, None)
    await gym.acted(now, "check-in")
    assert await counts(gym) == (1, 0, 0, None)


async def test_the_occupancy_can_be_read_for_a_given_time(gym: Gym) -> None:
    training = await gym.training(5 * HOUR, capacity=1)
    await gym.book(training, *await gym.athletes(3))

    def query(moment: timedelta) -> str:
        return f"?at={at(gym.opened + moment)}"

    assert await counts(gym, query(5 * HOUR - MINUTE)) == (0, 0, 0, None)
    assert await counts(gym, query(5 * HOUR)) == (0, 1, 2, None)
    assert await counts(gym, query(6 * HOUR - MINUTE)) == (0, 1, 2, None)
    assert await counts(gym, query(6 * HOUR)) == (0, 0, 0, None)
    found = await gym.read(f"centres/{gym.centre_id}/occupancy{query(5 * HOUR)}")
    assert found["at"] == training["starts_at"]


async def test_the_occupancy_at_a_given_time_is_revalidated(gym: Gym) -> None:
    training = await gym.training(HOUR)
    url = f"{API}/centres/{gym.centre_id}/occupancy?at={training['starts_at']}"
    found = await gym.client.get(url)

    known = await gym.client.get(url, headers={"If-None-Match": found.headers["ETag"]})
    await gym.book(training, await gym.athlete())
    changed = await gym.client.get(url, headers={"If-None-Match": found.headers["ETag"]})

    assert (known.status_code, known.content) == (304, b"")
    assert known.headers["Cache-Control"] == found.headers["Cache-Control"] == "no-cache"
    assert (changed.status_code, changed.json()["reserved"]) == (200, 1)


async def test_an_unknown_centre_or_an_invalid_parameter_is_refused(gym: Gym) -> None:
    url = f"{API}/centres/{gym.centre_id}/occupancy"

    assert not_found(await gym.client.get(f"{API}/centres/{new_id()}/occupancy"))
    wrong = await gym.client.get(f"{url}?at=2026-12-01T18:00:00")
    assert problem(wrong) == (422, "/problems/invalid", [("?at", "datetime_type")])
    unknown = await gym.client.get(f"{url}?when=now")
    assert problem(unknown) == (422, "/problems/invalid", [("?when", "extra_forbidden")])
