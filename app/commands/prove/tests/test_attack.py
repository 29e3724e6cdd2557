"""How ``drill --attack`` judges; the attacks themselves run in ``.ci/run``."""

from typing import cast

import pytest

from app.commands.prove.attack import GROWTH, Memory, Target


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
