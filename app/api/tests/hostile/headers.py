"""Headers: harmless headers, stale or invalid ETags, and invalid idempotency keys."""

from collections.abc import Iterator

from app.api.tests.hostile.requests import JSON, MARK, Headers, Hostile, hostile
from app.api.tests.operations import Document, collections, operations
from app.identity.tests.callers import ADMIN

HARMLESS: dict[str, Headers] = {
    "a request id beyond ASCII": (("X-Request-ID", f"{MARK}é".encode()),),
    "a request id with spaces": (("X-Request-ID", f"{MARK} {MARK}"),),
    "a request id of markup": (("X-Request-ID", f"<{MARK}>"),),
    "a request id of 60 000 letters": (("X-Request-ID", MARK + "x" * 60_000),),
    "a request id of nothing": (("X-Request-ID", ""),),
    "If-None-Match of garbage": (("If-None-Match", f'{MARK}, "", W/, "\xff", ","'),),
    "If-None-Match of 1 000 tags": (("If-None-Match", f'"1-{MARK}", ' * 1000),),
    "If-None-Match that ends in a tag": (("If-None-Match", f'"{MARK}' + '"' * 30_001),),
    "If-None-Match of a star among others": (("If-None-Match", f'*, "{MARK}"'),),
    "If-Modified-Since of garbage": (("If-Modified-Since", "9" * 5000),),
    "a range": (("Range", "bytes=0-1,5-,-9"),),
    "a range of garbage": (("Range", f"{MARK}=" + "0-1," * 5000),),
    "an unknown Accept": (("Accept", f"{MARK}/{MARK};q=nan"),),
    "an unknown Accept-Encoding": (("Accept-Encoding", f"{MARK};q=-1"),),
    "an unknown Accept-Charset": (("Accept-Charset", "utf-16"),),
    "an expectation of garbage": (("Expect", MARK),),
    "another method by a header": (
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-HTTP-Method", "DELETE"),
        ("X-Method-Override", "DELETE"),
    ),
    "a forged host": (("Host", f"{MARK}.example"),),
    "an empty host": (("Host", ""),),
    "a forged host with markup": (("Host", f'"><script>{MARK}'),),
    "a forged host beyond ASCII": (("Host", f"{MARK}é".encode()),),
    "a forged host with a path": (("Host", f"{MARK}.example/x?y#z@{MARK}"),),
    "a forged proxy": (
        ("X-Forwarded-Host", f"{MARK}.example"),
        ("X-Forwarded-For", f"{MARK}, 127.0.0.1"),
        ("X-Forwarded-Proto", MARK),
        ("X-Forwarded-Prefix", f"/{MARK}"),
        ("X-Forwarded-Port", MARK),
        ("Forwarded", f"for={MARK};host={MARK}.example;proto={MARK}"),
        ("X-Real-IP", MARK),
        ("X-Script-Name", f"/{MARK}"),
    ),
    "another path by a header": (("X-Original-URL", f"/{MARK}"), ("X-Rewrite-URL", f"/{MARK}")),
    "an origin of nobody": (("Origin", f"https://{MARK}.example"),),
    "a broken cookie": (("Cookie", f"{MARK}; =; a==b;;"),),
    "a header of 60 000 letters": (("X-Long", MARK * 7_500),),
    "90 headers of one name": tuple(("X-Again", MARK) for _ in range(90)),
    "bytes beyond ASCII": (("X-Bytes", b"\x80\xff" + MARK.encode()),),
    "an upgrade to another protocol": (("Connection", "upgrade"), ("Upgrade", "h2c")),
    "an upgrade to a web socket": (
        ("Connection", "upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("Sec-WebSocket-Version", "13"),
    ),
}
BAD_AUTHORIZATIONS: dict[str, Headers] = {
    "nothing": (("Authorization", ""),),
    "another scheme": (("Authorization", f"Basic {MARK}"),),
    "no scheme": (("Authorization", ADMIN.token),),
    "no token": (("Authorization", "Bearer "),),
    "a word": (("Authorization", f"Bearer {MARK}"),),
    "two tokens": (("Authorization", f"Bearer {ADMIN.token} {ADMIN.token}"),),
    "two headers": (
        ("Authorization", f"Bearer {ADMIN.token}"),
        ("Authorization", f"Bearer {ADMIN.token}"),
    ),
    "a list": (("Authorization", f"Bearer {ADMIN.token}, Bearer {MARK}"),),
    "60 000 characters": (("Authorization", f"Bearer {MARK * 7_500}"),),
    "bytes beyond ASCII": (("Authorization", b"Bearer " + ADMIN.token.encode() + b"\xff"),),
    "another script's digits": (("Authorization", f"Bearer {ADMIN.token[:-1]}\u0661".encode()),),
    "upper case": (("Authorization", f"Bearer {ADMIN.token.upper()}"),),
    "a line break": (("Authorization", f"Bearer {ADMIN.token}\x0b"),),
    "an unknown id": (("Authorization", f"Bearer cfs_{'0' * 32}{ADMIN.token[-44:]}"),),
    "a wrong secret": (("Authorization", f"Bearer {ADMIN.token[:-43]}{'A' * 43}"),),
    "a long secret": (("Authorization", f"Bearer {ADMIN.token}A"),),
    "a JWT of nobody": (("Authorization", f"Bearer eyJhbGciOiJub25lIn0.e30.{MARK}"),),
    "a JWT of garbage": (("Authorization", "Bearer ey.ey.ey"),),
    "a JWT of a number": (("Authorization", "Bearer eyMQ.MQ.MQ"),),
}
STALE_TAGS: dict[str, Headers] = {
    "nothing": (("If-Match", ""),),
    "a word": (("If-Match", MARK),),
    "a number": (("If-Match", "1"),),
    "an open quotation mark": (("If-Match", f'"1-{MARK}'),),
    "a weak tag": (("If-Match", 'W/"1-0"'),),
    "a star in quotation marks": (("If-Match", '"*"'),),
    "version 0": (("If-Match", '"0-0"'),),
    "a version below 0": (("If-Match", '"-1-0"'),),
    "a version beyond 32 bits": (("If-Match", '"2147483648-0"'),),
    "a version beyond 64 bits": (("If-Match", '"99999999999999999999-0"'),),
    "a version of 5 000 digits": (("If-Match", f'"{"9" * 5000}-0"'),),
    "another script's digits": (("If-Match", '"\u0661-0"'.encode()),),
    "bytes beyond ASCII": (("If-Match", b'"\xff\xfe"'),),
    "1 000 tags": (("If-Match", ", ".join(f'"{n}-{MARK}"' for n in range(2, 1002))),),
    "two headers": (("If-Match", f'"{MARK}"'), ("If-Match", '"999-0"')),
}
BAD_KEYS: dict[str, Headers] = {
    "nothing": (("Idempotency-Key", ""),),
    "256 characters": (("Idempotency-Key", MARK * 32),),
    "60 000 characters": (("Idempotency-Key", MARK * 7_500),),
    "a space": (("Idempotency-Key", f"{MARK} {MARK}"),),
    "a tab": (("Idempotency-Key", f"{MARK}\t{MARK}"),),
    "bytes beyond ASCII": (("Idempotency-Key", f"{MARK}é".encode()),),
    "two keys": (("Idempotency-Key", MARK), ("Idempotency-Key", MARK)),
}


def headers(document: Document) -> Iterator[Hostile]:
    """Send ETags and keys to the operations that read them, and harmless headers to a few paths."""
    first = next(collections(document)).target
    for operation in operations(document):
        for kind, headers in BAD_AUTHORIZATIONS.items():
            if not operation.is_public:
                # Neither the query nor the body is looked at.
                target = operation.asking(f"{MARK}=1")
                name = f"{operation.method} {target}, Authorization of {kind}"
                yield hostile(name, operation.method, target, 401, *headers, body=b"\xff")
    gets = (one for one in operations(document) if one.method == "GET" and one.path_parameters)
    row = next(gets).target
    for kind, headers in HARMLESS.items():
        for target in (
            row,
            f"{first}?limit=1",
            "/",
            "/docs",
            "/openapi.json",
            "/static-offline-docs/swagger-ui.css",
        ):
            yield hostile(f"{kind}, {target}", "GET", target, 200, *headers)
        yield hostile(f"{kind}, nowhere", "GET", "/nothing", 404, *headers)
    for operation in operations(document):
        method, target = operation.method, operation.target
        if "If-Match" in operation.headers:
            declared, body = ([JSON], "{}") if operation.body else ([], "")
            for kind, headers in STALE_TAGS.items():
                name = f"{method} {target}, If-Match of {kind}"
                yield hostile(name, method, target, 412, *declared, *headers, body=body)
        if "Idempotency-Key" in operation.headers:
            for kind, headers in BAD_KEYS.items():
                name, body = f"{target}, key of {kind}", f'{{"name": "{MARK}"}}'
                yield hostile(name, method, target, 422, JSON, *headers, body=body)
