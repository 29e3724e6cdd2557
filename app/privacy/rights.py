"""Rights to personal data, besides those of administrators."""

from app.core.access import OWNER, SELF, Right

READ_DATA = Right(SELF)
ERASE = Right(OWNER)
"""The right to erase. It must reach all centres where the person is enrolled, or is staff."""
