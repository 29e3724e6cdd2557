"""Compare the standings of a competition with those that were published."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.core.db.transactions import Runner
from app.leaderboards.files.exporting import exported_rows, refresh_boards
from app.leaderboards.files.folder import Folder

LISTED = 50
"""How many differences are described."""


@dataclass(slots=True)
class Verification:
    """What was compared: how many values of each kind, and how many of them are equal."""

    compared: Counter[str] = field(default_factory=Counter)
    equal: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    """The first differences, as sentences."""

    @property
    def is_equal(self) -> bool:
        """Whether all values are equal."""
        return self.compared == self.equal

    @property
    def unlisted(self) -> int:
        """How many differences are not described."""
        return self.compared.total() - self.equal.total() - len(self.differences)

    def counts(self) -> str:
        """Return the counts: ``places 347 of 347, totals 61 of 61, ranks 61 of 61``."""
        return ", ".join(
            f"{kind} {self.equal[kind]} of {number}" for kind, number in self.compared.items()
        )

    def compare(self, kind: str, where: str, ours: int | None, published: int | None) -> None:
        """Compare one value."""
        self.compared[kind] += 1
        if ours == published:
            self.equal[kind] += 1
        elif len(self.differences) < LISTED:
            self.differences.append(f"{kind}: {where}: {ours}, published {published}")


async def verify(database: Runner, competition_id: UUID, folder: Folder) -> Verification:
    """Compute the standings of a competition, and compare them with those in its folder."""
    await refresh_boards(database, competition_id)
    places: dict[tuple[str, int], Any] = {}
    standings: dict[str, Any] = {}
    async for page in exported_rows(database, competition_id):
        for row in page:
            places[row["reference"], row["event"]] = row
            standings[row["reference"]] = row
    found = Verification()
    for (reference, event), official in folder.places.items():
        row = places.get((reference, event), {"place": None, "event_points": None})
        where = f"reference {reference}, event {event}"
        found.compare(official.kind, where, row["place"], official.place)
        if official.points is not None:
            found.compare("points", where, row["event_points"], official.points)
    has_ranks = any(standing.rank is not None for standing in folder.standings.values())
    for reference, published in folder.standings.items():
        row = standings[reference]
        if published.points is not None:
            where = f"reference {reference}"
            found.compare("totals", where, row["points"], published.points)
    for reference, published in folder.standings.items():
        if has_ranks:
            rank = standings[reference]["rank"]
            found.compare("ranks", f"reference {reference}", rank, published.rank)
    return found
