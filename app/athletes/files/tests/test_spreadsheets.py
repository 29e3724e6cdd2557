"""Files as spreadsheets and other systems write them, imported over HTTP."""

import codecs

import asyncpg
import httpx
import pytest

from app.athletes.files.tests.conftest import (
    Import,
    athlete_of,
    counts,
    names,
    post_csv,
    reasons,
)
from app.conftest import problem

GERMAN = (
    "reference;name;birth_date;sex;category;centres;weight\r\n"
    'M-1;"Jörg; Groß";17.05.1994;m;Rx;"Nord;Süd";81,5\r\n'
    "M-2;Zoë;3.1.2001;w;Scaled\r\n"
)
STORED = [
    ("M-1", "Jörg; Groß", "1994-05-17", "male", "Rx", ["Nord", "Süd"], 81.5),
    ("M-2", "Zoë", "2001-01-03", "female", "Scaled", [], None),
]
GYM_SYSTEM = (
    "Client ID,First Name,Last Name,Gender,Birthday,Email,Membership,Notes\n"
    '17,Mara,Lind,F,05/17/1994,mara@example.com,Unlimited,"a, b"\n'
    "18,Ida,Lind,F,11/02/2014,mara@example.com,Kids,\n"
    "19,Max,Smith,M,1/2/1990,max@example.com,Unlimited,\n"
)
MAPPED = [
    "reference=Client ID",
    "name=First Name + Last Name",
    "sex=Gender",
    "birth_date=Birthday",
]


async def stored(client: httpx.AsyncClient, *references: str) -> list[tuple[object, ...]]:
    athletes = [await athlete_of(client, reference) for reference in references]
    return [
        (
            *(one[field] for field in ("reference", "name", "birth_date", "sex")),
            one["category"]["name"],
            [centre["name"] for centre in one["centres"]],
            one["weight_kg"],
        )
        for one in athletes
    ]


@pytest.mark.parametrize(
    ("file", "encoding"),
    [
        (codecs.BOM_UTF8 + GERMAN.encode(), None),
        (GERMAN.encode(), None),
        (GERMAN.encode("cp1252"), "cp1252"),
        (GERMAN.encode("iso8859-15"), "ISO-8859-15"),
        (GERMAN.encode("cp1252"), "Windows-1252"),
        (codecs.BOM_UTF16_LE + GERMAN.encode("utf-16-le"), None),
        (codecs.BOM_UTF16_BE + GERMAN.encode("utf-16-be"), None),
        (f"sep=;\r\n{GERMAN}".encode(), None),
        (f"\ufeffsep=;\r\n{GERMAN}".encode(), "cp1252"),
    ],
)
async def test_a_file_of_a_german_spreadsheet_is_stored_as_it_is(
    client: httpx.AsyncClient, import_csv: Import, file: bytes, encoding: str | None
) -> None:
    report = await import_csv(file, {"encoding": encoding} if encoding else None)

    assert counts(report) == {"read": 2, "created": 2, "new_categories": 2, "new_centres": 2}
    assert await stored(client, "M-1", "M-2") == STORED


async def test_unicode_text_with_tabs_is_read(
    client: httpx.AsyncClient, import_csv: Import
) -> None:
    text = "reference\tname\tcategory\tcentres\r\n00042\tLi Na\tRx\tA;B\r\n"

    assert counts(await import_csv(text.encode("utf-16")))["created"] == 1
    assert [one[5] for one in await stored(client, "00042")] == [["A", "B"]]


async def test_another_encoding_is_never_guessed(client: httpx.AsyncClient) -> None:
    response = await post_csv(client, GERMAN.encode("cp1252"))

    assert problem(response) == (400, "/problems/malformed-body", [])
    assert response.json()["detail"] == (
        "Line 2 is not UTF-8. Save the file as CSV in UTF-8, or name its encoding, as in"
        " --encoding cp1252 (over HTTP ?encoding=cp1252)."
    )
    assert await names(client, "athletes") == []


@pytest.mark.parametrize(
    "title",
    [
        "\ufeff\ufeffreference",
        "\ufeffre\u200bference",
        "\u200breference",
        "reference\u00a0",
        "\u202areference\u202c",
        " REFERENCE ",
        "_Reference_",
        '\ufeff\ufeff"reference"',
    ],
)
async def test_an_invisible_character_in_a_title_does_not_lose_its_column(
    client: httpx.AsyncClient, import_csv: Import, title: str
) -> None:
    file = f"{title},name,category\nD1,A,X\n"

    assert counts(await import_csv(file)) == {"read": 1, "created": 1, "new_categories": 1}
    assert counts(await import_csv(file)) == {"read": 1, "unchanged": 1}
    assert await names(client, "athletes") == ["A"]


async def test_empty_cells_at_the_end_are_nothing_and_full_ones_reject_the_row(
    client: httpx.AsyncClient, import_csv: Import
) -> None:
    report = await import_csv(
        "reference,name,category,height,weight,\n"
        "M-1,Mara,Rx\n"
        "M-2,Ana,Rx,170,60,,,\n"
        "M-3,Eva,Rx,170,60,,x\n"
        "M-4,Smith, Max,Rx,170,60\n"
    )

    assert counts(report) == {"read": 4, "created": 2, "rejected": 2, "new_categories": 1}
    extra = "is there an extra comma, or a quotation mark missing?"
    assert reasons(report) == {
        4: f"the row has 7 cells, but the header has 5: {extra}",
        5: f"the row has 6 cells, but the header has 5: {extra}",
    }
    assert (await athlete_of(client, "M-1"))["height_cm"] is None


async def test_an_omitted_empty_cell_clears_its_field_like_an_empty_one(
    client: httpx.AsyncClient, import_csv: Import
) -> None:
    await import_csv("reference,name,category,email\nM-1,Mara,Rx,mara@example.com\n")

    assert counts(await import_csv("reference,email\nM-1\n")) == {"read": 1, "updated": 1}
    assert (await athlete_of(client, "M-1"))["email"] is None


async def test_a_number_written_as_a_formula_of_text_keeps_its_zeros(
    client: httpx.AsyncClient, import_csv: Import
) -> None:
    file = 'reference,name,category\n"=""00042""",=1+1,Rx\n="00042",Twin,Rx\n'

    report = await import_csv(file)

    assert reasons(report) == {3: "reference is also on line 2"}
    assert (await athlete_of(client, "00042"))["name"] == "=1+1"


async def test_an_export_of_a_gym_system_is_stored_with_one_request(
    client: httpx.AsyncClient, import_csv: Import
) -> None:
    query = {"map": MAPPED, "set": ["category=Open", "centres=North;South"], "dates": "mdy"}

    report = await import_csv(GYM_SYSTEM, query)

    assert counts(report) == {
        "read": 3,
        "created": 2,
        "rejected": 1,
        "new_categories": 1,
        "new_centres": 2,
        "ignored_columns": ["Membership", "Notes"],
    }
    assert reasons(report) == {
        3: "email is also on line 2; an email belongs to one athlete: leave it empty for the other"
    }
    assert await stored(client, "17", "19") == [
        ("17", "Mara Lind", "1994-05-17", "female", "Open", ["North", "South"], None),
        ("19", "Max Smith", "1990-01-02", "male", "Open", ["North", "South"], None),
    ]
    again = await import_csv(GYM_SYSTEM.replace("Kids", "Kids").replace("18,Ida", "20,Ida"), query)
    assert counts(again) | {"ignored_columns": []} == {
        "read": 3,
        "unchanged": 2,
        "rejected": 1,
        "ignored_columns": [],
    }


async def test_a_family_that_shares_an_address_is_told_how_to_go_on(
    client: httpx.AsyncClient, import_csv: Import
) -> None:
    await import_csv("reference,name,category,email\nM-1,Mara,Rx,home@example.com\n")

    report = await import_csv(
        "reference,name,category,email\nM-2,Ida,Rx,Home@Example.com\nM-3,Ola,Rx,home@example.com\n"
    )

    advice = "an email belongs to one athlete: leave it empty for the other"
    assert reasons(report) == {
        2: f"email is already taken by another athlete; {advice}",
        3: f"email is also on line 2; {advice}",
    }
    corrected = "reference,name,category,email\nM-2,Ida,Rx,\nM-3,Ola,Rx,\n"
    assert counts(await import_csv(corrected)) == {"read": 2, "created": 2}


async def test_a_file_without_needed_columns_is_told_once(import_csv: Import) -> None:
    report = await import_csv("reference,E-Mail,Full Name\nM-1,a@example.com,Mara\n")

    assert counts(report) == {
        "read": 1,
        "rejected": 1,
        "ignored_columns": ["E-Mail", "Full Name"],
        "suggested_map": ["email=E-Mail", "name=Full Name"],
        "missing_columns": ["name", "category"],
    }


async def test_a_file_that_changes_athletes_needs_no_other_columns(import_csv: Import) -> None:
    await import_csv("reference,name,category\nM-1,Mara,Rx\n")

    report = await import_csv("reference,sex\nM-1,F\nM-2,F\n")

    assert counts(report) == {"read": 2, "updated": 1, "rejected": 1}


@pytest.mark.parametrize(
    ("query", "pointer", "code", "detail"),
    [
        ({"map": "gender=Sex"}, "?map", "column", "Input should begin with a column and an"),
        ({"map": ["name=A", "name=B"]}, "?map", "option", "name is given 2 times: give it once."),
        ({"map": "sex=Gender"}, "?map", "option", "The first row does not have the title that is"),
        ({"set": "sex=often"}, "?set", "value", "sex should be female, male or other; F, M and"),
        ({"set": "id=1"}, "?set", "unique", "Input gives all athletes the same id, which is"),
        ({"encoding": "excel"}, "?encoding", "encoding", "Input is not supported; choose one of"),
        ({"encoding": ["cp1252", "cp1252"]}, "?encoding", "repeated", "This parameter is repeated"),
        ({"dates": "ymd"}, "?dates", "literal_error", "Input should be 'dmy' or 'mdy'."),
        ({"dry_run": "1"}, "?dry_run", "bool_parsing", "Input should be true or false."),
        ({"mapped": "name=A"}, "?mapped", "extra_forbidden", "There is no such parameter."),
    ],
)
async def test_an_option_that_cannot_be_used_is_refused(
    client: httpx.AsyncClient,
    query: dict[str, str | list[str]],
    pointer: str,
    code: str,
    detail: str,
) -> None:
    response = await post_csv(client, "reference,name,category\nM-1,Mara,Rx\n", query)

    assert problem(response) == (422, "/problems/invalid", [(pointer, code)])
    assert response.json()["errors"][0]["detail"].startswith(detail)
    assert await names(client, "athletes") == []


async def test_numbers_and_dates_that_stay_unclear_reject_their_rows(import_csv: Import) -> None:
    report = await import_csv(
        "reference;name;category;birth_date;height;weight\n"
        "1;A;Rx;34471;178;81,5\n"
        "2;B;Rx;17.05.94;178;81,5\n"
        "3;C;Rx;05/06/1994;178;81,5\n"
        "4;D;Rx;17.05.1994;1.780,0;81,5\n"
        "5;E;Rx;17.05.1994;178;1.081,5\n"
    )

    assert {line: reason.partition(" ")[0] for line, reason in reasons(report).items()} == {
        2: "birth_date",
        3: "birth_date",
        4: "birth_date",
        5: "height",
        6: "weight",
    }
    assert report["rejected"] == 5


async def test_an_export_is_utf_8_with_commas(
    client: httpx.AsyncClient, import_csv: Import, connection: asyncpg.Connection
) -> None:
    await import_csv(GERMAN)

    exported = await client.get("/api/v1/athletes/export")

    assert exported.content.startswith(b"id,reference,name,email,")
    assert b",M-1,J\xc3\xb6rg; Gro\xc3\x9f," in exported.content
    assert counts(await import_csv(exported.content)) == {"read": 2, "unchanged": 2}
