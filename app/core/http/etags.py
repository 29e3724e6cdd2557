"""Entity tags (RFC 9110): the version of a resource, and a hash of all that an answer shows.

The hash changes with what the row itself does not hold, the name of its category for example. An
edit does not conflict with that, so ``If-Match`` compares the version alone.
"""

import re
from hashlib import blake2b
from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic.json_schema import SkipJsonSchema

from app.core.resources.crud import Versions

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_VERSION = re.compile(r'"([0-9]{1,9})-')


def tag_of(version: int, body: bytes) -> str:
    """Return the entity tag of a resource that reads like this."""
    return f'"{version}-{blake2b(body, digest_size=8).hexdigest()}"'


def is_known(tag: str, request: Request) -> bool:
    """Tell whether a client has the representation of this tag already: ``If-None-Match``."""
    known = _listed(request, "If-None-Match")
    return known == "*" or tag in (found for _, found in _TAG.findall(known))


async def get_expected_versions(
    request: Request,
    if_match: Annotated[
        str | SkipJsonSchema[None],
        Header(
            alias="If-Match",
            description="The `ETag` of what the client wants to change: 412 if that is no longer"
            " the newest. Unless given, the newest is changed, whatever it is.",
        ),
    ] = None,
) -> Versions:
    """Read from ``If-Match`` of which versions a row has to be to be changed."""
    if if_match is None:
        return None
    expected = _listed(request, "If-Match")
    if expected == "*":
        return None
    # Weak tags match nothing here: RFC 9110 wants the strong comparison.
    versions = (_VERSION.match(tag) for weak, tag in _TAG.findall(expected) if not weak)
    return [int(version[1]) for version in versions if version]


ExpectedVersions = Annotated[Versions, Depends(get_expected_versions)]


def _listed(request: Request, header: str) -> str:
    """Return a header that may be repeated, as one list."""
    return ", ".join(request.headers.getlist(header)).strip()
