from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from app.athletes.files.tests.conftest import (
    Import,
    athlete_of,
    counts,
    names,
    post_csv,
    reasons,
)
from app.conftest import API, Create, Json, problem
from app.core.resources.fields import new_id

ID = "019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10"
ONE_EMAIL = "an email belongs to one athlete: leave it empty for the other"
MARA = "reference,name,category\nM-1,Mara,Rx\n"


class TestCreating:
    async def test_athletes_are_created_with_their_categories_and_centres(
        self, client: httpx.AsyncClient, import_csv: Import
    ) -> None:
        report = await import_csv(
            "Weight, CATEGORY ,name,centres,reference,email,national_id,birth_date,sex,height,Town"
            "\n190 lb,Rx,Mara  Lindqvist,North;The Garage,M-1,"
            "mara@EXAMPLE.com,X1,1994-05-17,female,5'6\",A\n"
            '64.25,rx,"Li, Na",NORTH,M-2,,,,,,B\n'
        )

        assert counts(report) == {
            "read": 2,
            "created": 2,
            "new_categories": 1,
            "new_centres": 2,
            "ignored_columns": ["Town"],
        }
        mara, li = [await athlete_of(client, reference) for reference in ("M-1", "M-2")]
        for athlete in (mara, li):
            assert athlete["category"].pop("id")
            assert all(centre.pop("id") for centre in athlete["centres"])
            assert athlete.pop("created_at") == athlete.pop("updated_at")
            assert athlete.pop("id")
        assert mara == {
            "version": 1,
            "reference": "M-1",
            "name": "Mara Lindqvist",
            "email": "mara@example.com",
            "national_id": "X1",
            "birth_date": "1994-05-17",
            "sex": "female",
            "height_cm": 167.6,
            "weight_kg": 86.18,
            "category": {"name": "Rx"},
            "centres": [{"name": "North"}, {"name": "The Garage"}],
        }
        assert li == dict.fromkeys(mara) | {
            "version": 1,
            "reference": "M-2",
            "name": "Li, Na",
            "weight_kg": 64.25,
            "category": {"name": "Rx"},
            "centres": [{"name": "North"}],
        }

    async def test_an_imported_athlete_is_found_by_every_list(
        self, client: httpx.AsyncClient, import_csv: Import
    ) -> None:
        await import_csv("reference,name,category,centres\nM-1,Josefína,Rx,North\n")
        athlete = await athlete_of(client, "M-1")
        category, (centre,) = athlete["category"]["id"], athlete["centres"]
        for path in (
            "athletes?name=josefina",
            f"athletes?category_id={category}",
            f"categories/{category}/athletes",
            f"centres/{centre['id']}/athletes",
        ):
            items = (await client.get(f"{API}/{path}")).json()["items"]
            assert [item["id"] for item in items] == [athlete["id"]]

    async def test_existing_categories_and_centres_are_found_by_name(
        self, client: httpx.AsyncClient, create: Create, import_csv: Import
    ) -> None:
        rx = await create("categories", {"name": "Rx", "description": "As prescribed."})
        malmo = await create("centres", {"name": "CrossFit Malmö", "capacity": 20})

        report = await import_csv("reference,name,category,centres\nM-1,Mara,RX,crossfit malmo\n")

        assert counts(report) == {"read": 1, "created": 1}
        athlete = await athlete_of(client, "M-1")
        assert athlete["category"] == {"id": rx["id"], "name": "Rx"}
        assert athlete["centres"] == [{"id": malmo["id"], "name": "CrossFit Malmö"}]
        assert (await client.get(f"{API}/centres/{malmo['id']}")).json() == malmo

    async def test_the_first_of_two_spellings_names_a_new_centre(
        self, client: httpx.AsyncClient, import_csv: Import
    ) -> None:
        report = await import_csv(
            "reference,name,category,centres\n"
            "M-2,Mara,Rx,CrossFit Malmö\n"
            "M-1,Ana,Rx,CROSSFIT MALMO\n"
        )

        assert counts(report) == {"read": 2, "created": 2, "new_categories": 1, "new_centres": 1}
        assert await names(client, "centres") == ["CrossFit Malmö"]

    async def test_a_new_athlete_keeps_the_id_of_the_file(
        self, client: httpx.AsyncClient, import_csv: Import
    ) -> None:
        athlete_id = new_id()

        report = await import_csv(f"id,name,category\n{str(athlete_id).upper()},Mara,Rx\n")

        assert report["without_key"] == 0
        assert (await client.get(f"{API}/athletes/{athlete_id}")).json()["name"] == "Mara"

    async def test_rows_without_a_key_are_counted_and_create_an_athlete_each_time(
        self, client: httpx.AsyncClient, import_csv: Import
    ) -> None:
        file = "reference,name,category\n,Mara,Rx\nM-2,Ana,Rx\n"

        assert counts(await import_csv(file)) == {
            "read": 2,
            "created": 2,
            "without_key": 1,
            "new_categories": 1,
        }
        again = await import_csv(file)

        assert counts(again) == {"read": 2, "created": 1, "unchanged": 1, "without_key": 1}
        assert await names(client, "athletes") == ["Ana", "Mara", "Mara"]

    @pytest.mark.parametrize(
        ("file", "reason"),
        [
            (
                "reference\nM-1\n",
                "there is no such athlete, and a new one needs a name and a category",
            ),
            (
                "reference,name\nM-1,Mara\n",
                "there is no such athlete, and a new one needs a category",
            ),
        ],
    )
    async def test_a_new_athlete_needs_a_name_and_a_category(
        self, import_csv: Import, file: str, reason: str
    ) -> None:
        assert reasons(await import_csv(file)) == {2: reason}


class TestChanging:
    @pytest.fixture
    async def mara(self, client: httpx.AsyncClient, import_csv: Import) -> Json:
        await import_csv(
            "reference,name,email,category,centres,height,sex\n"
            "M-1,Mara,mara@example.com,Rx,North;South,170,female\n"
        )
        return await athlete_of(client, "M-1")

    async def test_importing_the_same_values_again_changes_nothing(
        self, client: httpx.AsyncClient, import_csv: Import, mara: Json
    ) -> None:
        report = await import_csv(
            "reference,name,email,category,centres,height,sex\n"
            "M-1, Mara ,mara@EXAMPLE.com,RX,south;north;,1.7 m,female\n"
        )

        assert counts(report) == {"read": 1, "unchanged": 1}
        assert await athlete_of(client, "M-1") == mara

    @pytest.mark.parametrize(
        ("column", "cell", "field", "value"),
        [
            ("name", "Mara L.", "name", "Mara L."),
            ("email", "m@example.com", "email", "m@example.com"),
            ("email", "", "email", None),
            ("height", "", "height_cm", None),
            ("height", "171", "height_cm", 171),
            ("weight", "60 kg", "weight_kg", 60),
            ("birth_date", "1994-05-17", "birth_date", "1994-05-17"),
            ("sex", " ", "sex", None),
        ],
    )
    async def test_only_the_columns_of_the_file_are_changed(
        self,
        client: httpx.AsyncClient,
        import_csv: Import,
        mara: Json,
        column: str,
        cell: str,
        field: str,
        value: str | int | None,
    ) -> None:
        report = await import_csv(f'reference,{column}\nM-1,"{cell}"\n')

        assert counts(report) == {"read": 1, "updated": 1}
        changed = await athlete_of(client, "M-1")
        assert changed.pop("updated_at") > mara.pop("updated_at")
        assert changed == mara | {field: value, "version": 2}

    async def test_an_athlete_is_found_by_the_changed_name_and_email(
        self, client: httpx.AsyncClient, import_csv: Import, mara: Json
    ) -> None:
        await import_csv("reference,name,email\nM-1,Ána,ÁNA@example.com\n")

        found = (await client.get(f"{API}/athletes", params={"name": "ana"})).json()["items"]
        assert [item["id"] for item in found] == [mara["id"]]
        looked_up = await client.post(f"{API}/athletes/lookup", json={"email": "ána@example.com"})
        assert looked_up.json()["id"] == mara["id"]

    @pytest.mark.parametrize(
        ("cell", "centres", "version"),
        [("South;West", ["South", "West"], 2), ("", [], 2), ("south;NORTH", ["North", "South"], 1)],
    )
    async def test_centres_in_the_file_replace_the_previous_ones(
        self,
        client: httpx.AsyncClient,
        import_csv: Import,
        mara: Json,
        cell: str,
        centres: list[str],
        version: int,
    ) -> None:
        await import_csv(f'reference,centres\nM-1,"{cell}"\n')

        changed = await athlete_of(client, "M-1")
        assert [centre["name"] for centre in changed["centres"]] == centres
        assert changed["version"] == version

    async def test_a_change_to_a_new_category_creates_it(
        self, client: httpx.AsyncClient, import_csv: Import, mara: Json
    ) -> None:
        report = await import_csv("reference,category\nM-1,Scaled\n")

        assert counts(report) == {"read": 1, "updated": 1, "new_categories": 1}
        assert (await athlete_of(client, "M-1"))["category"]["name"] == "Scaled"

    async def test_the_id_takes_precedence_over_the_reference(
        self, client: httpx.AsyncClient, import_csv: Import, mara: Json
    ) -> None:
        report = await import_csv(f"id,reference\n{mara['id']},M-9\n")

        assert counts(report) == {"read": 1, "updated": 1}
        assert (await athlete_of(client, "M-9"))["id"] == mara["id"]

    async def test_a_row_with_an_unknown_id_is_matched_by_reference(
        self, client: httpx.AsyncClient, import_csv: Import, mara: Json
    ) -> None:
        report = await import_csv(f"id,reference,name\n{new_id()},M-1,Ana\n")

        assert counts(report) == {"read": 1, "updated": 1}
        assert (await athlete_of(client, "M-1"))["id"] == mara["id"]

    async def test_an_empty_reference_cell_clears_the_reference_if_the_id_matches(
        self, client: httpx.AsyncClient, import_csv: Import, mara: Json
    ) -> None:
        await import_csv(f"id,reference\n{mara['id']},\n")

        assert (await client.get(f"{API}/athletes/{mara['id']}")).json()["reference"] is None

    async def test_a_row_sees_the_changes_of_the_rows_before_it(
        self, client: httpx.AsyncClient, import_csv: Import, mara: Json
    ) -> None:
        report = await import_csv(
            f"id,reference,name,category\n{mara['id']},M-9,Mara L.,Rx\n,M-1,Ana,Rx\n"
        )

        assert counts(report) == {"read": 2, "created": 1, "updated": 1}
        assert (await athlete_of(client, "M-9"))["name"] == "Mara L."
        assert (await athlete_of(client, "M-1"))["name"] == "Ana"


class TestRejecting:
    async def test_a_bad_row_creates_nothing_and_the_others_are_imported(
        self, client: httpx.AsyncClient, import_csv: Import
    ) -> None:
        report = await import_csv(
            "reference,name,category,centres,height\n"
            "M-1,Mara,Rx,North,\n"
            "M-2,Ana,Scaled,South,510 in\n"
            "M-3,Eva\n"
            'M-4,"Ida" Holm,Masters,West,\n'
            "M-5,Smith, Max,Rx,North,170\n"
            "M-6,Ola,Rx,North,\n"
        )

        assert counts(report) == {
            "read": 6,
            "created": 2,
            "rejected": 4,
            "new_categories": 1,
            "new_centres": 1,
        }
        assert reasons(report) == {
            3: "height is 1295.4 cm, and should be at most 300 cm",
            4: "category is empty",
            5: "the row is not valid CSV: is a quotation mark out of place?",
            6: "the row has 6 cells, but the header has 5: is there an extra comma, or a quotation"
            " mark missing?",
        }
        assert await names(client, "athletes") == ["Mara", "Ola"]
        assert await names(client, "categories") == ["Rx"]
        assert await names(client, "centres") == ["North"]

    @pytest.mark.parametrize(
        ("column", "first", "second"),
        [
            ("reference", "M-1", " M-1 "),
            ("id", ID, ID.upper()),
            ("email", "mara@example.com", "MARA@EXAMPLE.COM"),
            ("national_id", "X1", "X1"),
        ],
    )
    async def test_a_repeated_unique_value_rejects_the_later_row(
        self, client: httpx.AsyncClient, import_csv: Import, column: str, first: str, second: str
    ) -> None:
        report = await import_csv(
            f"name,category,{column}\nMara,Rx,{first}\nAna,Rx,\nEva,Scaled,{second}\n"
        )

        advice = f"; {ONE_EMAIL}" if column == "email" else ""
        assert reasons(report) == {4: f"{column} is also on line 2{advice}"}
        assert await names(client, "athletes") == ["Ana", "Mara"]
        assert await names(client, "categories") == ["Rx"]

    async def test_a_row_rejected_for_a_repeated_value_reserves_none_of_its_values(
        self, import_csv: Import
    ) -> None:
        report = await import_csv(
            "reference,name,email,category\n"
            "A,Mara,1@example.com,Rx\n"
            "B,Ana,1@example.com,Rx\n"
            "B,Ana,2@example.com,Rx\n"
            "C,,3@example.com,Rx\n"
            "D,Eva,3@example.com,Rx\n"
        )

        assert reasons(report) == {
            3: f"email is also on line 2; {ONE_EMAIL}",
            5: "name is empty",
            6: f"email is also on line 5; {ONE_EMAIL}",
        }

    async def test_a_value_taken_by_another_athlete_rejects_only_its_row(
        self, client: httpx.AsyncClient, import_csv: Import
    ) -> None:
        await import_csv("reference,name,email,category\nM-0,Mara,m@example.com,Rx\n")
        rows = [f"M-{number},Athlete {number},{number}@example.com,Rx" for number in range(1, 40)]
        rows[20] = "M-21,Taken,M@Example.com,Scaled"

        report = await import_csv("\n".join(["reference,name,email,category", *rows]))

        assert counts(report) == {"read": 39, "created": 38, "rejected": 1}
        assert reasons(report) == {22: f"email is already taken by another athlete; {ONE_EMAIL}"}
        assert await names(client, "categories") == ["Rx"]

    async def test_a_change_to_a_value_taken_by_another_athlete_is_rejected(
        self, import_csv: Import
    ) -> None:
        await import_csv("reference,name,national_id,category\nM-1,Mara,X1,Rx\nM-2,Ana,X2,Rx\n")

        report = await import_csv("reference,national_id\nM-1,X2\nM-2,X2\n")

        assert reasons(report) == {
            2: "national_id is already taken by another athlete",
            3: "national_id is also on line 2",
        }

    async def test_the_first_thousand_rejected_rows_are_reported_and_all_counted(
        self, import_csv: Import
    ) -> None:
        report = await import_csv("reference,name,category\n" + "M-1,,Rx\n" * 1001)

        assert counts(report) == {"read": 1001, "rejected": 1001}
        assert list(reasons(report)) == list(range(2, 1002))


class TestRefusing:
    @pytest.mark.parametrize(
        ("file", "status", "detail"),
        [
            (b"", 422, "The file is empty."),
            (b"\xef\xbb\xbf", 422, "The file is empty."),
            (b"M-1,Mara,Rx\n", 422, "The first row must name the columns: id, reference, name,"),
            (b"reference|name|category\n", 422, "The first row must name the columns: id,"),
            (b'"reference,name\nM-1,Mara\n', 422, "The first row must name the columns"),
            (b"name,Name,category\n", 422, "The first row repeats a column: name."),
            (b"name\nJos\xe9\n", 400, "Line 2 is not UTF-8."),
            (MARA.encode("utf-32"), 400, "The file is UTF-32. Save it as CSV in UTF-8."),
            (MARA.encode() + b"a" * (2**20 + 1), 422, "Line 3 is longer than 1 MiB"),
        ],
    )
    async def test_an_unreadable_file_is_refused_as_a_whole(
        self, client: httpx.AsyncClient, file: bytes, status: int, detail: str
    ) -> None:
        response = await post_csv(client, file)

        assert response.status_code == status
        assert response.json()["detail"].startswith(detail)
        assert await names(client, "athletes") == []

    @pytest.mark.parametrize(
        "declared",
        ["", "application/json", "text/plain", "multipart/form-data", "text/csv; charset=latin-1"],
    )
    async def test_a_body_that_is_not_declared_csv_is_refused(
        self, client: httpx.AsyncClient, declared: str
    ) -> None:
        response = await post_csv(client, MARA, content_type=declared)
        assert problem(response) == (415, "/problems/unsupported-media-type", [])

    @pytest.mark.parametrize(
        "declared", ["text/csv; charset=utf-8", "text/csv;charset=UTF8", "Text/CSV; header=present"]
    )
    async def test_supported_parameters_of_the_media_type_are_accepted(
        self, client: httpx.AsyncClient, declared: str
    ) -> None:
        response = await post_csv(client, MARA, content_type=declared)
        assert response.status_code == 200

    async def test_a_file_over_the_limit_is_refused_declared_or_streamed(
        self, client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(app.state.settings, "max_import_size", len(MARA))
        headers = {"Content-Type": "text/csv"}

        declared = await post_csv(client, MARA + "M-2,Ana,Rx\n")
        streamed = await client.post(
            f"{API}/athletes/import", content=_pieces(MARA, "M-2,Ana,Rx\n"), headers=headers
        )
        fits = await client.post(f"{API}/athletes/import", content=_pieces(MARA), headers=headers)

        for refused in (declared, streamed):
            assert problem(refused) == (413, "/problems/content-too-large", [])
        assert fits.status_code == 200
        assert await names(client, "athletes") == ["Mara"]


async def _pieces(*pieces: str) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece.encode()


async def test_the_report_and_the_log_contain_no_personal_values(
    client: httpx.AsyncClient, import_csv: Import, caplog: pytest.LogCaptureFixture
) -> None:
    await import_csv("reference,name,category,national_id\nM-1,Mara,Rx,SECRET-1\n")
    report = await import_csv(
        "reference,name,category,national_id\n"
        "M-2,Ana,Rx,SECRET-1\n"
        f"M-3,Ida,Rx,SECRET-{'x' * 20}\n"
        "M-4,Eva,Rx,SECRET-4\n"
        "M-5,Ola,Rx,SECRET-4\n"
    )
    assert list(reasons(report)) == [2, 3, 5]
    assert "SECRET" not in str(report)
    assert "SECRET" not in caplog.text


async def test_a_file_of_several_batches_is_imported_completely(
    client: httpx.AsyncClient, import_csv: Import, connection: asyncpg.Connection
) -> None:
    rows = [f"M-{number:04},Athlete {number},Rx,Box {number % 7}" for number in range(2500)]

    report = await import_csv("\n".join(["reference,name,category,centres", *rows]))

    assert counts(report) == {"read": 2500, "created": 2500, "new_categories": 1, "new_centres": 7}
    stored = await connection.fetch(
        "SELECT a.reference || ',' || a.name || ',Rx,' || c.name FROM athletes a"
        " JOIN enrolments e ON e.athlete_id = a.id JOIN centres c ON c.id = e.centre_id"
        " ORDER BY a.reference"
    )
    assert [row for (row,) in stored] == rows
