"""Scores: what people type, what is stored, and what they read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.workouts.scores import (
    LARGEST_TIE_BREAK,
    Score,
    ScoreError,
    Scoring,
    check_score,
    check_tie_break,
    format_score,
    format_tie_break,
    parse_score,
    parse_tie_break,
)

FOR_TIME = Scoring("time", "lowest", 900_000, 180, "none")
NO_TOTAL = FOR_TIME._replace(total_reps=None)
HOLD = Scoring("time", "highest", None, None, "none")
AMRAP = Scoring("rounds_reps", "highest", 1_200_000, None, "time")
REPS = Scoring("reps", "highest", None, None, "load")
LOAD = Scoring("load", "highest", None, None, "reps")
DISTANCE = Scoring("distance", "highest", None, None, "none")
CALORIES = Scoring("calories", "highest", None, None, "none")
POINTS = Scoring("points", "highest", None, None, "none")
NO_SCORE = Scoring("none", "highest", None, None, "none")


@pytest.mark.parametrize(
    ("text", "scoring", "score", "formatted"),
    [
        ("6:21", FOR_TIME, Score("finished", time_ms=381_000), "6:21"),
        (" 1:02:03 ", FOR_TIME, Score("finished", time_ms=3_723_000), "1:02:03"),
        ("12:14.82", FOR_TIME, Score("finished", time_ms=734_820), "12:14.82"),
        ("6:21,5", FOR_TIME, Score("finished", time_ms=381_500), "6:21.5"),
        (":57", FOR_TIME, Score("finished", time_ms=57_000), "0:57"),
        ("75:30", FOR_TIME, Score("finished", time_ms=4_530_000), "1:15:30"),
        ("45 s", FOR_TIME, Score("finished", time_ms=45_000), "0:45"),
        ("12 Min 5.25 sec", FOR_TIME, Score("finished", time_ms=725_250), "12:05.25"),
        # Above the time cap, as published results are.
        ("15:40", FOR_TIME, Score("finished", time_ms=940_000), "15:40"),
        ("2:30", HOLD, Score("finished", time_ms=150_000), "2:30"),
        ("cap + 12", FOR_TIME, Score("capped", reps=168), "CAP+12"),
        ("CAP+0", FOR_TIME, Score("capped", reps=180), "CAP+0"),
        ("171 Reps", FOR_TIME, Score("capped", reps=171), "CAP+9"),
        ("171 reps", NO_TOTAL, Score("capped", reps=171), "171 reps"),
        ("dnf", FOR_TIME, Score("dnf"), "DNF"),
        ("Dns", LOAD, Score("dns"), "DNS"),
        ("5+12", AMRAP, Score("finished", rounds=5, reps=12), "5+12"),
        ("5 rounds + 12 reps", AMRAP, Score("finished", rounds=5, reps=12), "5+12"),
        ("5 rounds", AMRAP, Score("finished", rounds=5, reps=0), "5+0"),
        ("171", REPS, Score("finished", reps=171), "171 reps"),
        ("1 rep", REPS, Score("finished", reps=1), "1 rep"),
        ("0", REPS, Score("finished", reps=0), "0 reps"),
        ("102.5\u00a0kg", LOAD, Score("finished", load_g=102_500), "102.5 kg"),
        ("102,5KG", LOAD, Score("finished", load_g=102_500), "102.5 kg"),
        ("455 lb", LOAD, Score("finished", load_g=206_385), "206.385 kg"),
        ("1047 lbs", LOAD, Score("finished", load_g=474_911), "474.911 kg"),
        ("1200 m", DISTANCE, Score("finished", distance_mm=1_200_000), "1200 m"),
        ("1.2 km", DISTANCE, Score("finished", distance_mm=1_200_000), "1200 m"),
        ("3 mi", DISTANCE, Score("finished", distance_mm=4_828_032), "4828.032 m"),
        ("35 Cal", CALORIES, Score("finished", calories=35), "35 cal"),
        ("95", POINTS, Score("finished", points=95), "95 points"),
        ("95 points", POINTS, Score("finished", points=95), "95 points"),
        ("done", NO_SCORE, Score("finished"), "done"),
    ],
)
def test_a_score_is_read_as_people_write_it(
    text: str, scoring: Scoring, score: Score, formatted: str
) -> None:
    assert parse_score(text, scoring) == score
    assert format_score(score, scoring) == formatted


TIME_WANTED = (
    "This workout is scored by a time: write minutes and seconds like 6:21, or a unit like 45 s."
)
LOAD_WANTED = "This workout is scored by a load: write it with its unit, like 102.5 kg or 225 lb."


@pytest.mark.parametrize(
    ("text", "scoring", "code", "detail"),
    [
        ("", FOR_TIME, "empty", "Write a score, or DNF or DNS."),
        ("1" * 65, REPS, "too_long", "A score has at most 64 characters."),
        ("45", FOR_TIME, "not_a_score", TIME_WANTED),
        (".57", FOR_TIME, "not_a_score", TIME_WANTED),
        ("6:2", FOR_TIME, "not_a_score", TIME_WANTED),
        ("-6:21", FOR_TIME, "not_a_score", TIME_WANTED),
        ("٦:٢١", FOR_TIME, "not_a_score", TIME_WANTED),
        ("455 lb", FOR_TIME, "wrong_unit", TIME_WANTED),
        ("171 reps", HOLD, "wrong_unit", TIME_WANTED),
        (
            *("0:75", FOR_TIME, "no_such_time"),
            "Seconds, and minutes after hours, go from 00 to 59.",
        ),
        (
            *("1:60:00", FOR_TIME, "no_such_time"),
            "Seconds, and minutes after hours, go from 00 to 59.",
        ),
        ("24:00:01", FOR_TIME, "out_of_range", "The time must be from 0 to 24:00:00."),
        ("CAP+181", FOR_TIME, "out_of_range", "The reps left must be from 0 to 180."),
        (
            *("CAP+12", NO_TOTAL, "no_total"),
            "This workout does not say how many reps it has: write those done, like 171 reps.",
        ),
        (
            *("181 reps", FOR_TIME, "not_capped"),
            "A capped result has at most the 180 reps of the workout.",
        ),
        (
            *("5", AMRAP, "not_a_score"),
            "This workout is scored by rounds and reps: write them like 5+12, or 5 rounds.",
        ),
        ("32768+0", AMRAP, "out_of_range", "The rounds must be from 0 to 32767."),
        ("0+65536", AMRAP, "out_of_range", "The reps must be from 0 to 65535."),
        (
            *("6:21", REPS, "wrong_unit"),
            "This workout is scored by reps: write a number like 171.",
        ),
        ("102.5", LOAD, "not_a_score", LOAD_WANTED),
        ("400 m", LOAD, "wrong_unit", LOAD_WANTED),
        ("1,047 lb", LOAD, "ambiguous", "Write 1047 lb, or 1.047 lb."),
        ("2000.001 kg", LOAD, "out_of_range", "The load must be from 0 to 2000 kg."),
        ("9" * 61 + "lb", LOAD, "out_of_range", "The load must be from 0 to 2000 kg."),
        ("1001 km", DISTANCE, "out_of_range", "The distance must be from 0 to 1000000 m."),
        (
            *("done", POINTS, "wrong_unit"),
            "This workout is scored by points: write a number like 95.",
        ),
        (
            *("6:21", NO_SCORE, "wrong_unit"),
            "This workout is scored by done or not: write done, DNF or DNS.",
        ),
    ],
)
def test_a_wrong_score_is_an_error_that_says_what_to_write(
    text: str, scoring: Scoring, code: str, detail: str
) -> None:
    with pytest.raises(ScoreError) as caught:
        parse_score(text, scoring)
    assert (caught.value.code, caught.value.detail) == (code, detail)


def test_loads_half_a_pound_apart_are_distinct() -> None:
    halves = [parse_score(f"{pounds / 2} lb", LOAD).load_g for pounds in range(1, 2001)]
    assert len(set(halves)) == 2000


def _finished(field: str, most: int) -> st.SearchStrategy[Score]:
    def measured(value: int) -> Score:
        fields: dict[str, Any] = {field: value}
        return Score("finished", **fields)

    return st.integers(0, most).map(measured)


def _capped(most: int) -> st.SearchStrategy[Score]:
    return st.integers(0, most).map(lambda reps: Score("capped", reps=reps))


_ROUNDS_REPS = st.tuples(st.integers(0, 32_767), st.integers(0, 65_535)).map(
    lambda both: Score("finished", rounds=both[0], reps=both[1])
)
_VALID = st.one_of(
    st.tuples(_finished("time_ms", 86_400_000), st.sampled_from([FOR_TIME, NO_TOTAL, HOLD])),
    st.tuples(_capped(180), st.just(FOR_TIME)),
    st.tuples(_capped(1_000_000), st.just(NO_TOTAL)),
    st.tuples(_ROUNDS_REPS, st.just(AMRAP)),
    st.tuples(_finished("reps", 1_000_000), st.just(REPS)),
    st.tuples(_finished("load_g", 2_000_000), st.just(LOAD)),
    st.tuples(_finished("distance_mm", 1_000_000_000), st.just(DISTANCE)),
    st.tuples(_finished("calories", 1_000_000), st.just(CALORIES)),
    st.tuples(_finished("points", 1_000_000), st.just(POINTS)),
    st.tuples(
        st.sampled_from([Score("dnf"), Score("dns")]), st.sampled_from([FOR_TIME, AMRAP, NO_SCORE])
    ),
    st.just((Score("finished"), NO_SCORE)),
)


@given(_VALID)
def test_a_formatted_score_is_read_as_the_same_score(case: tuple[Score, Scoring]) -> None:
    score, scoring = case
    check_score(score, scoring)
    assert parse_score(format_score(score, scoring), scoring) == score


@given(st.text(max_size=64), st.sampled_from([FOR_TIME, HOLD, AMRAP, REPS, LOAD, DISTANCE]))
def test_any_text_is_a_score_or_an_error(text: str, scoring: Scoring) -> None:
    try:
        score = parse_score(text, scoring)
    except ScoreError:
        return
    check_score(score, scoring)


@pytest.mark.parametrize(
    ("score", "scoring", "code", "detail"),
    [
        (Score("finished"), FOR_TIME, "missing", "This result needs time."),
        (Score("finished", rounds=5), AMRAP, "missing", "This result needs reps."),
        (Score("dnf", time_ms=1), FOR_TIME, "not_needed", "This result has no time."),
        (Score("finished", load_g=1), REPS, "missing", "This result needs reps."),
        (Score("finished", points=1), NO_SCORE, "not_needed", "This result has no points."),
        (
            *(Score("capped", reps=1), AMRAP, "not_capped"),
            "Only a workout for time has capped results.",
        ),
        (
            *(Score("finished", reps=-1), REPS, "out_of_range"),
            "The reps must be from 0 to 1000000.",
        ),
    ],
)
def test_a_score_has_exactly_what_its_workout_needs(
    score: Score, scoring: Scoring, code: str, detail: str
) -> None:
    with pytest.raises(ScoreError) as caught:
        check_score(score, scoring)
    assert (caught.value.code, caught.value.detail) == (code, detail)


def test_a_tie_break_is_read_as_people_write_it() -> None:
    assert parse_tie_break("4:05.5", AMRAP) == 245_500
    assert format_tie_break(245_500, AMRAP) == "4:05.5"
    assert parse_tie_break("100 lb", REPS) == 45_359
    assert format_tie_break(45_359, REPS) == "45.359 kg"
    assert parse_tie_break("12", LOAD) == 12
    assert format_tie_break(12, LOAD) == "12 reps"


def test_a_wrong_tie_break_is_an_error_that_says_what_to_write() -> None:
    def error(text: str, scoring: Scoring) -> tuple[str, str]:
        with pytest.raises(ScoreError) as caught:
            parse_tie_break(text, scoring)
        return caught.value.code, caught.value.detail

    assert error("1:00", FOR_TIME) == ("no_tie_break", "This workout has no tie-break.")
    assert error("12 reps", AMRAP) == (
        "wrong_unit",
        "The tie-break of this workout is a time: write minutes and seconds like 6:21,"
        " or a unit like 45 s.",
    )
    assert error("2:19:48.607", AMRAP) == (
        "out_of_range",
        "The tie-break must be from 0 to 2:19:48.606.",
    )
    check_tie_break(LARGEST_TIE_BREAK, AMRAP)
