"""The endpoints that import and export the results of a competition."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from app.athletes.files.dry_run import checks_of_client
from app.athletes.files.options import NamedEncoding
from app.athletes.rights import TRANSFER
from app.competitions.dependencies import CompetitionsDep
from app.core.csv.streaming import (
    CSVResponse,
    ExportReaderDep,
    csv_response,
    received_csv,
    takes_csv,
)
from app.core.errors import WrongState
from app.core.http.dependencies import DatabaseDep, RequestCaller
from app.core.http.openapi import EXPORTS, IMPORTS, READS, merged, problems
from app.core.http.routes import ContractRoute
from app.core.http.security import needs, only
from app.core.resources.fields import Id, QueryBoolean
from app.leaderboards.files.exporting import exported_competition, refresh_boards
from app.leaderboards.files.importing import Target, import_lines
from app.leaderboards.files.reading import LongFile
from app.leaderboards.files.report import CompetitionReport

EXAMPLE = """\
reference,name,sex,category,centres,event,score,tie_break,scaling
M-1042,Mara Lindqvist,female,Rx,CrossFit Northside,1,6:21,,rx
"""
IMPORT = needs("results:write", "athletes:write", "categories:write", "centres:write")
"""An import also creates the athletes, categories and centres that it names."""
EXPORT = needs("results:read", "athletes:read")

router = APIRouter(tags=["competitions"], route_class=ContractRoute)


class CompetitionImportOptions(BaseModel):
    """The options of an import."""

    encoding: NamedEncoding | SkipJsonSchema[None] = Field(
        default=None,
        description="The encoding of a file that is neither UTF-8 nor begins with a byte order"
        " mark, such as `cp1252`.",
        examples=["cp1252"],
    )
    dry_run: QueryBoolean = Field(
        default=False, description="Whether to report everything and store nothing."
    )


@router.post(
    "/competitions/{competition_id}/import",
    responses=merged(IMPORTS, READS, problems(WrongState)),
    openapi_extra=takes_csv(EXAMPLE),
    dependencies=[IMPORT, only(TRANSFER)],
)
async def import_competition(
    competition_id: Id,
    options: Annotated[CompetitionImportOptions, Query()],
    database: DatabaseDep,
    caller: RequestCaller,
    request: Request,
) -> CompetitionReport:
    """Enter athletes and write their results from a CSV file, unless the competition is final.

    Each row is one athlete and one event; a row without a score only enters the athlete. Athletes
    are found by `id`, else by `reference`. Those that do not exist are created, with their category
    and centres; the others stay as they are. A result replaces the one before. A row that cannot be
    stored is rejected, and the other rows are still stored.
    """
    longest = request.app.state.settings.max_import_size
    async with received_csv(request, longest) as body:
        file = await asyncio.to_thread(LongFile, body, options.encoding)
        return await import_lines(
            database,
            Target(competition_id, caller),
            file,
            checks_of_client(request.is_disconnected),
            dry_run=options.dry_run,
        )


@router.get(
    "/competitions/{competition_id}/export",
    response_class=CSVResponse,
    responses=merged(EXPORTS, READS),
    dependencies=[EXPORT, only(TRANSFER)],
)
async def export_competition(
    competition_id: Id,
    competitions: CompetitionsDep,
    database: DatabaseDep,
    reader: ExportReaderDep,
) -> CSVResponse:
    """Export the entries and results of a competition as a CSV file in UTF-8.

    It also has the place and the points in each event, and the rank and the points of each athlete.
    Importing it again changes nothing.
    """
    await competitions.require(competition_id)
    await refresh_boards(database, competition_id)
    return await csv_response(exported_competition(reader, competition_id), "competition.csv")
