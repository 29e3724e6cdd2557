"""Version 1 of the API: the routers of its features."""

from fastapi import APIRouter

from app.athletes.router import router as athletes
from app.attendance.router import router as attendance
from app.calendars.router import router as calendars
from app.categories.router import router as categories
from app.centres.router import router as centres
from app.competitions.router import router as competitions
from app.identity.router import router as identity
from app.journal.router import router as journal
from app.leaderboards.files.router import router as competition_files
from app.leaderboards.router import router as leaderboards
from app.privacy.router import router as privacy
from app.results.router import router as results
from app.timetable.router import router as timetable
from app.trainings.router import router as trainings
from app.trainings.series.router import router as series
from app.workouts.router import router as workouts

router = APIRouter()
router.include_router(categories)
router.include_router(centres)
router.include_router(workouts)
router.include_router(athletes)
router.include_router(trainings)
router.include_router(series)
router.include_router(timetable)
router.include_router(calendars)
router.include_router(attendance)
router.include_router(competitions)
router.include_router(competition_files)
router.include_router(results)
router.include_router(leaderboards)
router.include_router(identity)
router.include_router(journal)
router.include_router(privacy)
