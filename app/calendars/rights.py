"""Rights to calendar feeds, besides those of administrators.

The calendar of a centre needs the right to see its trainings. That of an athlete needs no caller:
the secret in its URL opens it.
"""

from app.core.access import SELF, Right

FEED = Right(SELF)
"""The right to make the feed of an athlete, and to revoke it."""
