"""Sample categories."""

from app.categories.models import CategoryCreate

LEVELS = [
    CategoryCreate(name="Beginner", description="Learning the movements, with a coach beside."),
    CategoryCreate(name="Fitness", description="Training for health, two or three times a week."),
    CategoryCreate(name="Intermediate", description="Most movements, with moderate loads."),
    CategoryCreate(name="Advanced", description="All movements as prescribed."),
    CategoryCreate(name="Competitor", description="Training for competitions."),
]
