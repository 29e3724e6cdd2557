"""The athlete and their enrolments: tables, request bodies and responses."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, RootModel, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError
from sqlmodel import Field as TableField
from sqlmodel import Index, Relationship, SQLModel

from app.categories.models import Category, CategoryReference
from app.centres.models import Centre, CentreReference
from app.core.db.constraints import RULES, Rule
from app.core.db.schema import NOW
from app.core.errors import Erased
from app.core.resources.fields import Email, ExampleId, Id, JSONNumber, PastDate, Text
from app.core.resources.models import ABSENT, Payload, Row, derived_from
from app.core.resources.paging import NamedListQuery, Page
from app.core.resources.text import email_key, name_key

Name = Annotated[
    str,
    Text(100, name=True),
    Field(description="Not unique: people share names.", examples=["Mara Lindqvist"]),
]
Reference = Annotated[
    str,
    Text(64),
    Field(
        description="Unique. The athlete's id in another system, such as a member number.",
        examples=["M-1042"],
    ),
]
EmailAddress = Annotated[
    Email, Field(description="Unique; case is ignored.", examples=["mara@example.com"])
]
NationalId = Annotated[
    str,
    Text(20),
    Field(description="Unique. Personal, so lists do not contain it.", examples=["X1234567"]),
]
BirthDate = Annotated[PastDate, Field(examples=["1994-05-17"])]
Sex = Annotated[Literal["female", "male", "other"], Field(examples=["female"])]
HeightCm = Annotated[Decimal, Field(ge=50, le=300, decimal_places=1, examples=[168.5]), JSONNumber]
WeightKg = Annotated[Decimal, Field(ge=20, le=650, decimal_places=2, examples=[64.25]), JSONNumber]
CategoryId = Annotated[ExampleId, Field(description="The category the athlete competes in.")]
ERASED_NAME = "erased"
"""The name of an erased athlete."""
ERASED_DETAIL = "This athlete was erased."
MOST_CENTRES = 50
"""At how many centres an athlete can be enrolled: lists show all centres of each athlete."""
CentreIds = Annotated[
    list[Id],
    Field(
        max_length=MOST_CENTRES,
        description="The centres the athlete trains at. `PATCH` replaces all of them.",
        examples=[["019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b11"]],
    ),
]


class AthletePerson(SQLModel):
    """The personal fields of an athlete, the same in the API and in CSV files."""

    reference: Reference | None = None
    name: Name
    email: EmailAddress | None = None
    national_id: NationalId | None = None
    birth_date: BirthDate | None = None
    sex: Sex | None = TableField(default=None, sa_type=sa.Text)


class AthleteBase(AthletePerson):
    """The fields of an athlete that clients write, without category and centres."""

    height_cm: HeightCm | None = TableField(default=None, sa_type=sa.Numeric(4, 1))
    weight_kg: WeightKg | None = TableField(default=None, sa_type=sa.Numeric(5, 2))


class Enrolment(SQLModel, table=True):
    """The link between an athlete and a centre they train at."""

    __tablename__ = "enrolments"
    __table_args__ = (Index(None, "centre_id", "athlete_id"),)

    athlete_id: UUID = TableField(primary_key=True, foreign_key="athletes.id", ondelete="CASCADE")
    centre_id: UUID = TableField(
        primary_key=True,
        foreign_key="centres.id",
        sa_column_kwargs={"info": {"source": "centre_ids"}},
    )
    enrolled_at: datetime = TableField(sa_column_kwargs={"server_default": NOW})


class Athlete(AthleteBase, Row, table=True):
    """Someone who trains, in one category, at up to ``MOST_CENTRES`` centres."""

    __tablename__ = "athletes"
    __table_args__ = (
        # They include the sex: a list that filters by it need not read the rows that it skips.
        Index(None, "name_key", "id", postgresql_include=["sex"]),
        Index(None, "created_at", "id"),
        Index(None, "category_id", "name_key", "id", postgresql_include=["sex"]),
        Index(None, "category_id", "created_at", "id"),
        sa.UniqueConstraint("reference"),
        sa.UniqueConstraint("national_id"),
        sa.CheckConstraint("sex IN ('female', 'male', 'other')", name="sex"),
        sa.CheckConstraint("birth_date >= '1900-01-01'", name="birth_date"),
        sa.CheckConstraint("height_cm BETWEEN 50 AND 300", name="height_cm"),
        sa.CheckConstraint("weight_kg BETWEEN 20 AND 650", name="weight_kg"),
        # A trigger reports this one: no statement changes the row of an erased athlete.
        {
            "info": {
                RULES: {"ck_athletes_erased": Rule(Erased, "erased_at", "erased", ERASED_DETAIL)}
            }
        },
    )

    name_key: str = derived_from("name", name_key)
    email_key: str | None = derived_from("email", email_key, unique=True)
    category_id: UUID = TableField(foreign_key="categories.id")
    erased_at: datetime | None = TableField(
        default=None,
        sa_column_kwargs={"server_default": sa.FetchedValue()},  # so that no insert sets it
    )
    """When all that tells who the athlete is was erased, for good."""

    category: Category = Relationship(sa_relationship_kwargs={"lazy": "raise"})
    centres: list[Centre] = Relationship(
        link_model=Enrolment,
        sa_relationship_kwargs={"lazy": "raise", "order_by": "Centre.name_key"},
    )


class AthleteCreate(AthleteBase, Payload):
    """A new athlete."""

    category_id: CategoryId
    centre_ids: CentreIds = []


class AthleteUpdate(Payload):
    """The fields of an athlete to change. Absent fields stay unchanged."""

    name: Name = ABSENT
    reference: Reference | None = None
    email: EmailAddress | None = None
    national_id: NationalId | None = None
    birth_date: BirthDate | None = None
    sex: Sex | None = None
    height_cm: HeightCm | None = None
    weight_kg: WeightKg | None = None
    category_id: CategoryId = ABSENT
    centre_ids: CentreIds = ABSENT


class AthleteRead(AthleteBase, Row):
    """An athlete, with the category and the centres (sorted by name) in place of their ids."""

    category: CategoryReference
    centres: list[CentreReference]


class AthleteReference(SQLModel):
    """An athlete, as part of other resources."""

    id: ExampleId
    name: Name


class AthleteTraining(SQLModel):
    """An athlete as coaches see them, with those of their centres where the caller has a role."""

    id: ExampleId
    name: Name
    reference: Reference | None
    sex: Sex | None
    category: CategoryReference
    height_cm: HeightCm | None
    weight_kg: WeightKg | None
    centres: list[CentreReference]


class AthleteView(RootModel[AthleteRead | AthleteTraining]):
    """An athlete as the caller sees them: all fields, or those for training."""


class AthleteSummary(SQLModel):
    """An athlete in a list: without email, national id, birth date, height and weight."""

    id: ExampleId
    name: Name
    reference: Reference | None
    sex: Sex | None
    category: CategoryReference
    centres: list[CentreReference]


class AthletePage(Page[AthleteSummary]):
    """A page of athletes."""


class AthleteListQuery(NamedListQuery):
    """Query parameters of every list of athletes."""

    reference: Annotated[str, Text(64)] | SkipJsonSchema[None] = Field(
        default=None, description="Only the athlete with exactly this reference."
    )
    sex: Sex | SkipJsonSchema[None] = None


class AthletesAtCentreQuery(AthleteListQuery):
    """Query parameters of the list of a centre's athletes."""

    category_id: Id | SkipJsonSchema[None] = Field(
        default=None, description="Only athletes of this category."
    )


class AthletesOfCategoryQuery(AthleteListQuery):
    """Query parameters of the list of a category's athletes."""

    centre_id: Id | SkipJsonSchema[None] = Field(
        default=None, description="Only athletes who train at this centre."
    )


class AthletesQuery(AthletesAtCentreQuery, AthletesOfCategoryQuery):
    """Query parameters of the list of all athletes."""


class AthleteLookup(Payload):
    """The athlete to look up, by exactly one of the unique fields."""

    model_config = {  # noqa: RUF012 - Pydantic copies it
        "json_schema_extra": {
            "minProperties": 1,
            "maxProperties": 1,
            "examples": [{"reference": "M-1042"}],
        }
    }

    reference: Reference = ABSENT
    email: EmailAddress = ABSENT
    national_id: NationalId = ABSENT

    @model_validator(mode="after")
    def _names_one(self) -> "AthleteLookup":
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError(
                "exactly_one", "Give exactly one of reference, email and national_id"
            )
        return self

    def unique_column(self) -> tuple[str, str]:
        """Return the column to look in and the value to look for."""
        ((field, value),) = self.model_dump(exclude_unset=True).items()
        return ("email_key", email_key(value)) if field == "email" else (field, value)
