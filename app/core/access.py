"""Callers and their rights: roles at centres, and the rows that a right reaches.

A feature declares its rights in its own ``rights`` module, as a table of roles. From a right and
the caller follows a ``Reach``: the rows for which the caller has that right. Statements compare
rows with it (``app.core.resources.queries``).
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

OWNER, COACH, DESK = "owner", "coach", "desk"
"""Roles of an account at the centre that a row belongs to."""
DEVICE = "device"
"""A device of the centre that a row belongs to."""
DEVICE_TODAY = "device, today"
"""A device of the centre, but only on the day that a row is for."""
MEMBER = "member"
"""An athlete who is enrolled at the centre that a row belongs to."""
ACCOUNT = "account"
"""Every account, for operations that are limited to what the account owns."""
MEMBER_PUBLISHED, DEVICE_PUBLISHED = "member, published", "device, published"
"""A member, and a device, but only for rows that are published."""
SELF = "self"
"""The athlete whom a row is about."""
ANYONE = "anyone"
"""Every account that has a role, or an athlete. It reaches all rows."""
TIMETABLE = "timetable"
"""Everybody, also without a token, if ``PUBLIC_READ`` has it. It reaches all rows."""
PUBLISHED = "published"
"""Every account that has a role or an athlete, and every device. It reaches published rows."""
LEADERBOARDS = "leaderboards"
"""Everybody, also without a token, if ``PUBLIC_READ`` has it. It reaches published rows."""


class Caller(NamedTuple):
    """The caller of a request: the owner of its token."""

    token_id: UUID
    """The id of the token, or of the session that a JWT belongs to."""
    kind: str
    """What kind of token it is: a ``session`` for example."""
    scopes: frozenset[str]
    account_id: UUID | None
    centre_id: UUID | None = None
    """The centre of a device."""
    is_admin: bool = False
    athlete_id: UUID | None = None
    """The athlete that the account is."""
    roles: Mapping[UUID, str] = {}
    """The role of the account at each centre that it has one at."""
    enrolled: frozenset[UUID] = frozenset()
    """The centres where the athlete is enrolled."""
    public: Collection[str] = ()
    """What everybody may read: the setting ``PUBLIC_READ``."""

    expires_at: datetime | None = None
    """When the token ends; None for one that never does."""
    log: Mapping[str, str] = {}
    """What the log line of a request says about its caller; no secret."""

    @property
    def owner(self) -> UUID:
        """The id that limits and keys of this caller belong to: the account, else the token."""
        return self.account_id or self.token_id

    @property
    def standing(self) -> object:
        """All that the rights of this caller follow from. An administrator has all of them."""
        if self.is_admin:
            return True
        return self.centre_id, self.athlete_id, dict(self.roles), self.enrolled

    @property
    def role_names(self) -> list[str]:
        """The roles as the view ``live_callers`` has them: ``CENTRE ROLE``, sorted by centre."""
        return [f"{centre_id} {role}" for centre_id, role in sorted(self.roles.items())]


OF_COMMAND = "command"
"""The kind of the caller of ``manage.py``, whose rights do not change."""
NOBODY = Caller(UUID(int=0), "none", frozenset(), None)
"""The caller of a request without a token."""


class Reach(NamedTuple):
    """The rows for which a caller has a right: all, those of some centres, or their own."""

    is_all: bool = False
    centres: frozenset[UUID] = frozenset()
    today: frozenset[UUID] = frozenset()
    """Centres of which the caller reaches the rows of today."""
    athlete_id: UUID | None = None
    published: frozenset[UUID] = frozenset()
    """Centres of which the caller reaches the rows that are published."""
    public: bool = False
    """Whether the caller reaches all rows that are published for everybody."""

    def __bool__(self) -> bool:
        """Return whether there may be any row within it."""
        return self != NOTHING

    def __or__(self, other: "Reach") -> "Reach":
        """Return all rows within either of two."""
        return Reach(
            self.is_all or other.is_all,
            self.centres | other.centres,
            self.today | other.today,
            self.athlete_id or other.athlete_id,
            self.published | other.published,
            self.public or other.public,
        )

    def includes(
        self,
        centres: Collection[UUID] = (),
        athlete_id: UUID | None = None,
        today: Collection[UUID] = (),
        published: Collection[UUID] = (),
        public: bool = False,
    ) -> bool:
        """Return whether it includes a row that belongs to these centres, and to this athlete.

        A row that is for today, or published, belongs to its centres in that way too.
        """
        return (
            self.is_all
            or (public and self.public)
            or not self.centres.isdisjoint(centres)
            or not self.today.isdisjoint(today)
            or not self.published.isdisjoint(published)
            or (athlete_id is not None and athlete_id == self.athlete_id)
        )

    def values(self) -> dict[str, Any]:
        """Return the parameters of the statements that compare rows with it."""
        return {
            "reach_all": self.is_all,
            "reach_centres": list(self.centres),
            "reach_today": list(self.today),
            "reach_athlete": self.athlete_id,
            "reach_published": list(self.published),
            "reach_public": self.public,
        }

    def name(self) -> str:
        """Return a text that no other reach has."""
        centres = sorted(self.centres), sorted(self.today), sorted(self.published)
        return repr((self.is_all, *centres, self.athlete_id, self.public))


NOTHING = Reach()
EVERYTHING = Reach(is_all=True)


class Right:
    """The roles, devices and athletes that have a right, besides administrators."""

    def __init__(self, *who: str) -> None:
        self.who = frozenset(who)

    def __or__(self, other: "Right") -> "Right":
        """Return the right that roles have which have either."""
        return Right(*self.who, *other.who)

    def reach(self, caller: Caller) -> Reach:
        """Return the rows for which a caller has this right."""
        who = self.who
        if caller.is_admin or (TIMETABLE in who and TIMETABLE in caller.public):
            return EVERYTHING
        is_somebody = bool(caller.roles or caller.athlete_id)
        if ANYONE in who and is_somebody:
            return EVERYTHING
        if ACCOUNT in who and caller.account_id:
            return EVERYTHING
        centres = {centre_id for centre_id, role in caller.roles.items() if role in who}
        if MEMBER in who:
            centres |= caller.enrolled
        published = set(caller.enrolled) if MEMBER_PUBLISHED in who else set()
        today = set()
        if caller.centre_id is not None:
            if DEVICE in who:
                centres.add(caller.centre_id)
            if DEVICE_TODAY in who:
                today.add(caller.centre_id)
            if DEVICE_PUBLISHED in who:
                published.add(caller.centre_id)
        own = caller.athlete_id if SELF in who else None
        is_reader = PUBLISHED in who and (is_somebody or caller.centre_id is not None)
        is_public = LEADERBOARDS in who and LEADERBOARDS in caller.public
        return Reach(
            False,
            frozenset(centres),
            frozenset(today),
            own,
            frozenset(published),
            is_reader or is_public,
        )


ADMINISTRATORS = Right()
"""Nobody but administrators."""
