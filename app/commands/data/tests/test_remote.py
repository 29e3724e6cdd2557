"""The requests that commands send to a service."""

import httpx
import pytest

from app.athletes.files.options import ImportOptions
from app.athletes.files.report import ImportReport
from app.commands.data.remote import Service


@pytest.mark.parametrize(("dry_run", "seconds"), [(True, 3600), (False, 60)])
async def test_only_a_dry_run_may_take_an_hour(dry_run: bool, seconds: float) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.extensions["timeout"])
        return httpx.Response(200, json=ImportReport().model_dump())

    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await Service(client).import_csv(b"name\n", ImportOptions(dry_run=dry_run))

    assert asked == [{"connect": 60, "read": seconds, "write": 60, "pool": 60}]
