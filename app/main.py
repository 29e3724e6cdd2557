"""The ASGI app that a server runs: ``uvicorn app.main:app``."""

import sys

from app.application import create_app
from app.core.logs import configure_logs
from app.core.settings import cannot_start, get_settings

configure_logs(on_terminal=sys.stderr.isatty())
if get_settings().database_url is None:
    cannot_start("DATABASE_URL is not set; set it, or start with `python3 manage.py run`")

app = create_app(get_settings())
