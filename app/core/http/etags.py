"""ETags (RFC 9110): ``"VERSION-HASH"``, the version of a row and a hash of the response body.

The hash also covers data from other rows, the name of an athlete's category for example. A change
there does not conflict with an edit of the row, so ``If-Match`` compares only the version.

A list or a computed document has no version. Its ETag is ``"HASH"``, which no ``If-Match`` accepts.
"""

import re
from hashlib import blake2b
from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic.json_schema import SkipJsonSchema

from app.core.resources.crud import Versions
from app.core.resources.models import LAST_VERSION

_TAG = re.compile(r'([Ww]/)?("[\x21\x23-\x7e\x80-\xff]*")')
_VERSION = re.compile(r'"([0-9]{1,10})-')


def tag_of(version: int, body: bytes) -> str:
    """Return the ETag of a resource with this version and body."""
    return f'"{version}-{_hash(body)}"'


def tag_of_body(body: bytes) -> str:
    """Return the ETag of a list or a computed document."""
    return f'"{_hash(body)}"'


def _hash(body: bytes) -> str:
    return blake2b(body, digest_size=8).hexdigest()


def is_known(tag: str, request: Request) -> bool:
    """Return whether ``If-None-Match`` has this ETag or ``*``: the client's copy is current."""
    known = _listed(request, "If-None-Match")
    return known == "*" or tag in (found for _, found in _TAG.findall(known))


def has_weak_tag(request: Request) -> bool:
    """Return whether ``If-Match`` has a weak ETag, which never matches."""
    return any(weak for weak, _ in _TAG.findall(_listed(request, "If-Match")))


async def get_expected_versions(
    request: Request,
    if_match: Annotated[
        str | SkipJsonSchema[None],
        Header(
            alias="If-Match",
            description="Optimistic locking: the `ETag` that the client got; 412 if the row has"
            " another version now. Without this header, any version is accepted.",
        ),
    ] = None,
) -> Versions:
    """Return the row versions that ``If-Match`` accepts; None if any is accepted."""
    if if_match is None:
        return None
    expected = _listed(request, "If-Match")
    if expected == "*":
        return None
    # Weak ETags never match: RFC 9110 requires the strong comparison for If-Match.
    tags = (_VERSION.match(tag) for weak, tag in _TAG.findall(expected) if not weak)
    versions = (int(tag[1]) for tag in tags if tag)
    return [version for version in versions if version <= LAST_VERSION]


ExpectedVersions = Annotated[Versions, Depends(get_expected_versions)]


def _listed(request: Request, header: str) -> str:
    """Return the values of a header that may be repeated, as one comma-separated list."""
    return ", ".join(request.headers.getlist(header)).strip()
