"""How ``drill --attack`` judges, and its quick attacks; all attacks run in ``.ci/run``."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import cast

import pytest

from app.commands.prove import attack
from app.commands.prove.attack import GROWTH, Memory, Outcome, Target, run_attacks
from app.commands.prove.service import NotStarted, Running
from app.commands.tests.launcher import COVERAGE

HELD = re.compile(
    r"""attacks on http://127\.0\.0\.1:\d+/api/v1
held: endless headers: 2 of 2 refused with 431; \d+ MB more memory at most, -?\d+ MB afterwards
held: endless keys: limit 200: 20\d x 201, (19\d|200) x 429
"""
)


class Service:
    """A service whose memory the test sets."""

    used = 0

    def memory(self) -> int:
        return self.used


@pytest.mark.parametrize(
    ("during", "after", "held"),
    [(0, 0, True), (2 * GROWTH, 0, False), (0, 2 * GROWTH, False)],
    ids=["little", "during the attack", "afterwards"],
)
async def test_memory_that_grows_is_noticed(during: int, after: int, held: bool) -> None:
    service = Service()
    memory = Memory(cast(Target, service))
    service.used = during
    async with memory.watched():
        await memory.look()
    service.used = after

    assert memory.outcome(True, "seen").held == held
    assert not memory.outcome(False, "seen").held


@pytest.mark.slow
def test_the_service_holds_against_the_quick_attacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = (attack.endless_headers, attack.endless_keys)
    monkeypatch.setattr(attack, "ATTACKS", quick)
    monkeypatch.setenv("SHUTDOWN_DELAY", "0")
    monkeypatch.delenv(COVERAGE, raising=False)  # other tests measure the service's coverage

    assert run_attacks() == 0

    said = capsys.readouterr().out
    assert HELD.fullmatch(said), said


def test_one_attack_that_the_service_does_not_hold_against_fails_the_drill(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = Target(cast(Running, None), "http://127.0.0.1:1/api/v1", "a token")

    async def many_words(attacked: Target) -> Outcome:
        return Outcome(attacked is not target, "300 MB more memory")

    async def few_words(attacked: Target) -> Outcome:
        return Outcome(attacked is target, "1 MB more memory")

    monkeypatch.setattr(attack, "ATTACKS", (many_words, few_words))
    monkeypatch.setattr(attack, "attacked_service", lambda: nullcontext(target))

    assert run_attacks() == 1

    assert capsys.readouterr().out == (
        "attacks on http://127.0.0.1:1/api/v1\n"
        "FELL: many words: 300 MB more memory\n"
        "held: few words: 1 MB more memory\n"
    )


def test_a_service_that_does_not_start_is_an_error_of_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def not_started() -> Iterator[Target]:
        raise NotStarted("the service did not start")
        yield

    monkeypatch.setattr(attack, "attacked_service", not_started)

    assert run_attacks() == 1

    assert capsys.readouterr().err == "error: the service did not start\n"
