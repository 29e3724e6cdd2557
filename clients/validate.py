"""What Python's jsonschema says of JSON values, like ``validate.ts``."""

import json
import sys
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

given = json.loads(Path(sys.argv[1]).read_text("utf-8"))
registry = Registry().with_resource("document", DRAFT202012.create_resource(given["document"]))


@cache
def validator(place: str) -> Validator:
    """Return a validator that checks formats, for the schema at a place in the document."""
    checker = Draft202012Validator.FORMAT_CHECKER
    schema = {"$ref": f"document#{place}"}
    return Draft202012Validator(schema, registry=registry, format_checker=checker)


print(json.dumps([validator(place).is_valid(json.loads(text)) for place, text in given["cases"]]))
