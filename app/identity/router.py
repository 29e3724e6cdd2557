"""The endpoints of identity."""

from fastapi import APIRouter

from app.identity.accounts import router as accounts
from app.identity.login import router as login
from app.identity.tokens import router as tokens

router = APIRouter()
for part in (
    login.router,
    login.secrets,
    accounts.router,
    tokens.router,
    tokens.secrets,
):
    router.include_router(part)
keys = tokens.keys
"""Outside the prefix of the API."""
