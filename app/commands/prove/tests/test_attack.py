"""The attacks of ``drill --attack`` that take a few seconds."""

from collections.abc import Iterator

import pytest

from app.commands.prove.attack import GROWTH, QUICK, Attack, Memory, Target, attacked_service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with attacked_service() as target:
        yield target


@pytest.mark.parametrize("attack", QUICK, ids=lambda attack: attack.__name__)
async def test_the_service_holds(target: Target, attack: Attack) -> None:
    outcome = await attack(target)

    assert outcome.held, outcome.seen


async def test_memory_that_grows_is_noticed(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory(target)
    before = target.memory()
    monkeypatch.setattr(Target, "memory", lambda _: before + 2 * GROWTH)
    async with memory.watched():
        pass

    assert not memory.outcome(True, "").held
