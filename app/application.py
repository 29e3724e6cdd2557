"""The application factory: features, error handlers and middleware."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi_offline import FastAPIOffline
from starlette.datastructures import State
from starlette.routing import Mount

from app.api import v1
from app.calendars.building import Calendars
from app.core.csv.streaming import FileLimits
from app.core.db.pool import connected
from app.core.http import health, openapi
from app.core.http.conflict_limit import ConflictLimit
from app.core.http.idempotency import Idempotency
from app.core.http.middleware import (
    CORS,
    RequestContext,
    TrustedHosts,
    UnhandledErrors,
    WithoutRanges,
)
from app.core.http.problems import handle_errors
from app.core.http.routes import RouteTable
from app.core.http.security import require_declarations
from app.core.limits import Shares
from app.core.settings import Settings
from app.identity import router as identity
from app.identity.passwords import Passwords
from app.identity.tokens.callers import Callers
from app.identity.tokens.jwt import Issuer
from app.journal.retention import retention
from app.leaderboards.refresh import Refreshes

EXPOSED_HEADERS = [
    "ETag",
    "Location",
    "Link",
    "Retry-After",
    "X-Request-ID",
    "Idempotency-Replayed",
]


def create_app(settings: Settings) -> FastAPI:
    """Build the app; its lifespan opens the connection pool."""
    app = FastAPIOffline(
        title=settings.project_name,
        version=settings.version,
        description=settings.description,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        generate_unique_id_function=lambda route: route.name,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for route in app.routes:
        if isinstance(route, Mount):  # the files of the docs
            route.app = WithoutRanges(route.app)
    add_state(app, settings)
    documentation = [route.path or "" for route in iter_route_contexts(app.routes)]
    app.include_router(health.router)
    app.include_router(identity.keys)
    app.include_router(v1.router, prefix=settings.api_v1_prefix)
    require_declarations(app, documentation)
    app.router.routes.insert(0, _table(app, settings))
    handle_errors(app)
    openapi.document(app)
    # The last one added is the outermost.
    app.add_middleware(UnhandledErrors)
    if settings.trusted_hosts:
        app.add_middleware(TrustedHosts, hosts=settings.trusted_hosts)
    if settings.cors_origins:
        app.add_middleware(
            CORS,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    app.add_middleware(RequestContext)
    return app


def add_state(app: FastAPI, settings: Settings) -> None:
    """Give an app its settings, and all that it remembers between requests, as new."""
    app.state = State()
    app.state.settings = settings
    app.state.bodies = Shares(settings.max_body_space)
    app.state.files = FileLimits(settings)
    app.state.conflicts = ConflictLimit()
    app.state.idempotency = Idempotency(settings.max_keys_per_account)
    app.state.issuer = Issuer(settings.jwt_issuer, settings.jwt_audience)
    app.state.callers = Callers(app.state.issuer, settings.public_read)
    app.state.passwords = Passwords()
    app.state.refreshes = Refreshes()
    app.state.calendars = Calendars()


def _table(app: FastAPI, settings: Settings) -> RouteTable:
    if settings.fast_path:
        # Imported only if used: an upgrade of FastAPI may break the private parts that it uses.
        from app.core.http.fast_path import FastPath

        return FastPath(app)
    return RouteTable(app)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    if settings.debug:
        logging.getLogger("app").setLevel(logging.DEBUG)
        asyncio.get_running_loop().set_debug(True)
    async with (
        connected(settings) as database,
        retention(database, settings.events_kept),
        app.state.refreshes.ended(),
    ):
        app.state.database = database
        # Exclude the app's own objects from garbage collection: a scan of them takes 50 ms.
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000)
        yield
