"""The oracle gives what was published, and follows the rules that the published data lack."""

from dataclasses import replace

import pytest

from app.leaderboards.tests.official import DATA, Published, read_quarterfinal, read_semifinal
from app.leaderboards.tests.oracle import Competition, Entry, Event, Points, Result, Workout, rank

published = pytest.mark.skipif(not DATA.exists(), reason="there is no shared data")

TIME = Workout("time", "lowest")
REPS = Workout("reps", "highest")
A, B, C, D = (Entry(key, f"Athlete {key}", "Women") for key in "abcd")


def compete(
    *results: Result,
    entries: tuple[Entry, ...] = (A, B, C),
    workouts: tuple[Workout, ...] = (TIME,),
    points: Points = "place",
) -> Competition:
    """Return a competition of these workouts; the points table of each event is 10, 8."""
    events = tuple(Event(n, workout, (10, 8)) for n, workout in enumerate(workouts, start=1))
    return Competition(points, "shared", events, entries, results)


def places(competition: Competition, event: int = 1) -> dict[str, int | None]:
    return {key: standing.places[event] for key, standing in rank(competition).items()}


def ranks(competition: Competition) -> dict[str, int | None]:
    return {key: standing.rank for key, standing in rank(competition).items()}


def assert_as_published(official: Published) -> None:
    standings = rank(official.competition)
    assert {
        (key, event): standings[key].places[event] for key, event in official.places
    } == official.places
    assert {
        (key, event): standings[key].points_by_event[event] for key, event in official.places
    } == official.points_by_event
    assert {key: standing.points for key, standing in standings.items()} == official.totals
    assert {key: standing.rank for key, standing in standings.items()} == official.ranks


@published
def test_a_quarterfinal_is_ranked_as_published() -> None:
    official = read_quarterfinal(2023)
    assert (len(official.places), len(official.ranks)) == (62_511, 13_673)
    assert_as_published(official)


@published
def test_a_semifinal_is_ranked_as_published() -> None:
    official = read_semifinal("2022-204")
    assert (len(official.places), len(official.ranks)) == (342, 57)
    assert_as_published(official)


def test_scaling_decides_before_the_cap_and_the_cap_before_the_measure() -> None:
    finished = Result("a", 1, scaling="scaled", time_ms=1)
    capped = Result("b", 1, scaling="rx", outcome="capped", reps=5)
    further = Result("c", 1, scaling="rx_plus", outcome="capped", reps=6)
    slow = Result("d", 1, scaling="rx_plus", time_ms=900_000)
    assert places(compete(finished, capped, further, slow, entries=(A, B, C, D))) == {
        "d": 1,
        "c": 2,
        "b": 3,
        "a": 4,
    }
    assert places(compete(finished, Result("b", 1, scaling="foundations", time_ms=0)))["b"] == 2


def test_prescribed_and_harder_versions_share_a_place_and_the_next_one_skips() -> None:
    equal = [Result(key, 1, scaling="rx_plus", time_ms=1) for key in "ab"]
    assert places(
        compete(*equal, replace(equal[0], entry="c", scaling="rx"), entries=(A, B, C, D))
    ) == {"a": 1, "b": 1, "c": 1, "d": 4}


def test_the_longest_hold_wins() -> None:
    hold = Workout("time", "highest")
    shorter, longer = Result("a", 1, time_ms=1), Result("b", 1, time_ms=2)
    assert places(compete(shorter, longer, workouts=(hold,))) == {"b": 1, "a": 2, "c": 3}


def test_rounds_count_before_reps() -> None:
    amrap = Workout("rounds_reps", "highest")
    results = Result("a", 1, rounds=3, reps=29), Result("b", 1, rounds=4, reps=0)
    assert places(compete(*results, workouts=(amrap,))) == {"b": 1, "a": 2, "c": 3}


def test_a_missing_tie_break_is_last_and_the_heaviest_is_first() -> None:
    workout = Workout("reps", "highest", tie_break="load")
    results = (
        Result("a", 1, reps=5),
        Result("b", 1, reps=5, tie_break=0),
        Result("c", 1, reps=5, tie_break=60_000),
    )
    assert places(compete(*results, workouts=(workout,))) == {"c": 1, "b": 2, "a": 3}


@pytest.mark.parametrize(
    "none",
    [
        Result("a", 1, outcome="dnf"),
        Result("a", 1, outcome="dns"),
        Result("a", 1, time_ms=1, review="invalid"),
    ],
    ids=lambda result: result.outcome if result.review == "none" else result.review,
)
def test_what_is_no_result_places_after_all_results_and_earns_no_points(none: Result) -> None:
    standings = rank(compete(none, Result("b", 1, time_ms=1), points="table"))
    assert standings["a"] == standings["c"] == (2, 0, {1: 2}, {1: 0})
    assert standings["b"] == (1, 10, {1: 1}, {1: 10})


def test_a_place_beyond_the_table_earns_nothing() -> None:
    results = [Result(key, 1, time_ms=ms) for ms, key in enumerate("abc")]
    assert rank(compete(*results, points="table"))["c"] == (3, 0, {1: 3}, {1: 0})


def test_an_event_without_results_in_a_category_does_not_count_there() -> None:
    man = Entry("m", "Athlete m", "Men")
    results = Result("a", 1, time_ms=1), Result("m", 1, time_ms=9), Result("m", 2, reps=7)
    standings = rank(compete(*results, entries=(A, B, man), workouts=(TIME, REPS)))
    assert standings == {
        "a": (1, 1, {1: 1, 2: None}, {1: 1, 2: None}),
        "b": (2, 2, {1: 2, 2: None}, {1: 2, 2: None}),
        "m": (1, 2, {1: 1, 2: 1}, {1: 1, 2: 1}),
    }


def test_best_places_break_a_tie_that_would_be_shared() -> None:
    a_first = [Result(key, 1, time_ms=ms) for ms, key in enumerate("abc")]
    c_first = [Result(key, 2, time_ms=ms) for ms, key in enumerate("cba")]
    shared = compete(*a_first, *c_first, workouts=(TIME, TIME))
    assert ranks(shared) == {"a": 1, "b": 1, "c": 1}
    assert ranks(replace(shared, overall_tie="best_places")) == {"a": 1, "c": 1, "b": 3}


def test_withdrawn_entries_rank_below_the_others_and_the_first_to_leave_is_last() -> None:
    left_early = replace(A, status="withdrawn", withdrawn_before=2)
    left_late = replace(B, status="withdrawn", withdrawn_before=3)
    results = [Result(key, 1, time_ms=ms) for ms, key in enumerate("abc")]
    standings = rank(compete(*results, entries=(left_early, left_late, C, D), points="table"))
    assert {key: (standing.rank, standing.points) for key, standing in standings.items()} == {
        "c": (1, 0),
        "d": (1, 0),
        "b": (3, 8),
        "a": (4, 10),
    }


def test_a_withdrawn_entry_without_a_start_is_unranked() -> None:
    gone = replace(A, status="withdrawn", withdrawn_before=1)
    started, won = Result("a", 1, outcome="dnf"), Result("b", 1, time_ms=1)
    competition = compete(replace(started, outcome="dns"), won, entries=(gone, B, C))
    assert ranks(competition) == {"b": 1, "c": 2, "a": None}
    assert ranks(replace(competition, results=(started, won))) == {"b": 1, "c": 2, "a": 3}


def test_a_disqualified_entry_keeps_its_place_and_the_ranks_skip_it() -> None:
    out = replace(A, status="disqualified")
    results = [Result(key, 1, time_ms=ms) for ms, key in enumerate("abc")]
    standings = rank(compete(*results, entries=(out, B, C)))
    assert {key: (standing.rank, standing.places[1]) for key, standing in standings.items()} == {
        "a": (None, 1),
        "b": (1, 2),
        "c": (2, 3),
    }
