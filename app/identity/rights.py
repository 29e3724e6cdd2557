"""Rights to accounts, staff, devices and invitations, besides those of administrators.

Staff, devices and invitations with a role belong to a centre. What an account owns itself (its
sessions and personal tokens) is limited by the statements, so every account has that right.
"""

from app.core.access import ACCOUNT, ADMINISTRATORS, DESK, OWNER, Right
from app.core.resources.queries import FULL

ACCOUNTS = ADMINISTRATORS
OWN_TOKENS = {FULL: Right(ACCOUNT)}
STAFF = Right(OWNER)
"""The right to see the staff of a centre, and to change their roles. Everybody can leave."""
DEVICES = Right(OWNER)
INVITE_STAFF = Right(OWNER)
INVITE_ATHLETES = Right(OWNER, DESK)
"""The right to invite athletes of a centre, and to see and revoke their invitations."""
