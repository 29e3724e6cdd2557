"""Sample workouts: known benchmarks, and a week's programme."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.core.resources.text import name_key
from app.workouts.models import WorkoutCreate

PLACE = "Anvil CrossFit"
"""The name of the centre with a programme."""
MINUTE = 60 * 1000


def _benchmark(name: str, score_type: str, description: str, **fields: Any) -> WorkoutCreate:
    values = {"name": name, "score_type": score_type, "description": description, **fields}
    return WorkoutCreate.model_validate({"benchmark": True, **values})


BENCHMARKS = [
    _benchmark("Fran", "time", "21-15-9 reps:\nthrusters, 43 or 29 kg\npull-ups", total_reps=90),
    _benchmark("Grace", "time", "30 clean and jerks, 61 or 43 kg", total_reps=30),
    _benchmark("Isabel", "time", "30 snatches, 61 or 43 kg", total_reps=30),
    _benchmark("Karen", "time", "150 wall balls, 9 or 6 kg", total_reps=150),
    _benchmark(
        "Diane", "time", "21-15-9 reps:\ndeadlifts, 102 or 70 kg\nhandstand push-ups", total_reps=90
    ),
    _benchmark("Elizabeth", "time", "21-15-9 reps:\ncleans, 61 or 43 kg\nring dips", total_reps=90),
    _benchmark("Annie", "time", "50-40-30-20-10 reps:\ndouble-unders\nsit-ups", total_reps=300),
    _benchmark(
        "Helen",
        "time",
        "3 rounds:\n400 m run\n21 kettlebell swings, 24 or 16 kg\n12 pull-ups",
    ),
    _benchmark("Jackie", "time", "1000 m row\n50 thrusters, 20 or 15 kg\n30 pull-ups"),
    _benchmark("Nancy", "time", "5 rounds:\n400 m run\n15 overhead squats, 43 or 29 kg"),
    _benchmark(
        "Angie",
        "time",
        "One after the other:\n100 pull-ups\n100 push-ups\n100 sit-ups\n100 air squats",
        total_reps=400,
    ),
    _benchmark(
        "Murph",
        "time",
        "1 mile run\n100 pull-ups\n200 push-ups\n300 air squats\n1 mile run\n\n"
        "Split the middle part as you like. Wear a vest of 9 or 6 kg.",
    ),
    _benchmark(
        "Cindy",
        "rounds_reps",
        "As many rounds as possible in 20 minutes:\n5 pull-ups\n10 push-ups\n15 air squats",
        time_cap_ms=20 * MINUTE,
    ),
    _benchmark(
        "Mary",
        "rounds_reps",
        "As many rounds as possible in 20 minutes:\n5 handstand push-ups\n10 one-legged squats\n"
        "15 pull-ups",
        time_cap_ms=20 * MINUTE,
    ),
    _benchmark(
        "Fight Gone Bad",
        "reps",
        "3 rounds, a minute at each station:\nwall balls\nsumo deadlift high pulls\nbox jumps\n"
        "push presses\nrow, in calories\nrest\n\nThe score is the sum of all reps and calories.",
    ),
    _benchmark("1RM Back Squat", "load", "The heaviest single back squat."),
    _benchmark("1RM Deadlift", "load", "The heaviest single deadlift."),
    _benchmark("1RM Clean and Jerk", "load", "The heaviest single clean and jerk."),
    _benchmark("1RM Snatch", "load", "The heaviest single snatch."),
    _benchmark("Max Pull-ups", "reps", "As many pull-ups as possible without letting go."),
    _benchmark("Plank Hold", "time", "Hold a plank on the forearms.", best="highest"),
    _benchmark("2 km Row", "time", "Row 2000 m."),
    _benchmark("5 km Run", "time", "Run 5 km."),
    _benchmark("12-minute Run", "distance", "Run as far as possible in 12 minutes."),
    _benchmark("1-minute Bike", "calories", "As many calories as possible in a minute."),
]
_WEEK = [
    ("1RM Back Squat", "Take 20 minutes to get there."),
    ("Cindy", "One pace from the first round to the last."),
    ("Grace", "A load that you could lift ten times without a break."),
    ("2 km Row", None),
    ("Fran", "Less than 8 minutes. Scale the load, then the pull-ups."),
    ("Murph", "In pairs, one works at a time."),
    ("5 km Run", "Easy."),
]


def programme(
    workouts: Mapping[str, str], tomorrow: date, zone: ZoneInfo
) -> Iterator[dict[str, Any]]:
    """Yield the week from tomorrow, given the ids of the benchmarks by name key.

    Each day is published on the evening before.
    """
    for number in range(len(_WEEK)):
        day = tomorrow + timedelta(days=number)
        name, notes = _WEEK[day.weekday()]
        evening = datetime.combine(day - timedelta(days=1), time(20), zone)
        yield {
            "workout_id": workouts[name_key(name)],
            "date": day.isoformat(),
            "notes": notes,
            "published_at": evening.isoformat(),
        }
