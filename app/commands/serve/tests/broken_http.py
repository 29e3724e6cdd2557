"""Malformed requests: the bytes to send on a new connection, and the expected status codes.

The status codes are those of consecutive responses. None means that the client disconnects at once.
"""

from app.api.tests.hostile.requests import MARK
from app.conftest import API
from app.identity.tests.callers import ADMIN

_LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
_CALLER = f" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN.token}\r\n"
_POST = f"POST {API}/categories{_CALLER}Content-Type: application/json\r\n".encode()
_FILE = f"POST {API}/athletes/import{_CALLER}Content-Type: text/csv\r\n".encode()
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_MARK = MARK.encode()

BROKEN: dict[str, tuple[bytes, tuple[int, ...] | None]] = {
    "nothing": (b"", None),
    "empty lines before a request": (b"\r\n\r\n" + _LIVE, (200,)),
    "a handshake of TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), (400,)),
    "another protocol": (b"SSH-2.0-" + _MARK + b"\r\n", (400,)),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400,)),
    "an invented method": (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "a method in lower case": (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "a method of 1 MB": (b"G" * 1_000_000, (400,)),
    "no version": (b"GET /health/live\r\n\r\n", (200,)),
    "an unknown version": (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", (400,)),
    "a version in lower case": (b"GET / http/1.1\r\nHost: x\r\n\r\n", (400,)),
    "HTTP/1.0 without a host": (b"GET /health/live HTTP/1.0\r\n\r\n", (200,)),
    "HTTP/1.1 without a host": (b"GET /health/live HTTP/1.1\r\n\r\n", (200,)),
    "two hosts": (b"GET /health/live HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", (200,)),
    "a target with a space": (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "a target with NUL": (b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "a target beyond ASCII": ("GET /é HTTP/1.1\r\nHost: x\r\n\r\n".encode(), (400,)),
    "a query beyond ASCII": (f"GET {API}/categories?name=é HTTP/1.1\r\n\r\n".encode(), (400,)),
    "a target without a slash": (b"GET health/live HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "a target of 1 MB": (b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (414,)),
    "a query of 1 MB": (b"GET /?" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (414,)),
    "a fragment": (b"GET /health/live#x HTTP/1.1\r\nHost: x\r\n\r\n", (200,)),
    "an asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", (404,)),
    "a tunnel": (b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "another host": (b"GET http://x.example/health/live HTTP/1.1\r\nHost: y\r\n\r\n", (200,)),
    "another scheme": (b"GET gopher://x.example/health/live HTTP/1.1\r\nHost: y\r\n\r\n", (200,)),
    "a header without a colon": (b"GET / HTTP/1.1\r\n" + _MARK + b"\r\n\r\n", (400,)),
    "a header with a space": (b"GET / HTTP/1.1\r\nX Y: " + _MARK + b"\r\n\r\n", (400,)),
    "a header without a name": (b"GET / HTTP/1.1\r\n: " + _MARK + b"\r\n\r\n", (400,)),
    "a header with NUL": (b"GET / HTTP/1.1\r\nX: " + _MARK + b"\0\r\n\r\n", (400,)),
    "a header with a carriage return": (
        b"GET / HTTP/1.1\r\nX: " + _MARK + b"\rY: 1\r\n\r\n",
        (400,),
    ),
    "a folded header": (b"GET / HTTP/1.1\r\nX: 1\r\n 2\r\n\r\n", (400,)),
    "a header of 1 MB": (
        b"GET /health/live HTTP/1.1\r\nX: " + _MARK * 125_000 + b"\r\n\r\n",
        (431,),
    ),
    "a header of 200 kB": (
        b"GET /health/live HTTP/1.1\r\nX: " + _MARK * 25_000 + b"\r\n\r\n" + _LIVE,
        (431, 200),
    ),
    "a header of 60 kB": (
        b"GET /health/live HTTP/1.1\r\nX: " + _MARK * 7_500 + b"\r\n\r\n" + _LIVE,
        (200, 200),
    ),
    "a header that never ends": (b"GET /health/live HTTP/1.1\r\nX: " + _MARK * 125_000, (431,)),
    "empty lines of 1 MB": (b"\r\n" * 500_000 + _LIVE, (431,)),
    "a target of 70 kB": (
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n" + _LIVE,
        (414, 200),
    ),
    "a query of 70 kB": (
        b"GET /?" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n" + _LIVE,
        (414, 200),
    ),
    "a target of 64 kB": (b"GET /" + b"x" * 65_534 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (404,)),
    "10 000 headers": (b"GET /health/live HTTP/1.1\r\n" + b"X: 1\r\n" * 10_000 + b"\r\n", (431,)),
    "lines that end in LF": (b"GET /health/live HTTP/1.1\nHost: x\n\n", (400,)),
    "a length of 5 000 zeros": (
        _POST + b"Content-Length: " + b"0" * 5000 + b"2\r\n\r\n{}" + _LIVE,
        (422, 200),
    ),
    "a length below zero": (_POST + b"Content-Length: -1\r\n\r\n{}", (400,)),
    "a length with a plus": (_POST + b"Content-Length: +2\r\n\r\n{}", (400,)),
    "a length in words": (_POST + b"Content-Length: two\r\n\r\n{}", (400,)),
    "a length beyond 64 bits": (_POST + b"Content-Length: 18446744073709551616\r\n\r\n{}", (400,)),
    "a length of 64 bits": (_POST + b"Content-Length: 18446744073709551615\r\n\r\n{}", (413,)),
    "one length twice": (_POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", (400,)),
    "two lengths": (_POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", (400,)),
    "two lengths in one": (_POST + b"Content-Length: 2, 2\r\n\r\n{}", (400,)),
    "a length and chunks": (
        _POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        (400,),
    ),
    "an unknown coding": (_POST + b"Transfer-Encoding: " + _MARK + b"\r\n\r\n{}", (400,)),
    "chunks that are not the last coding": (
        _POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        (400,),
    ),
    "chunks of another coding": (
        _POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        (415,),
    ),
    "chunks of no size": (_CHUNKED + b"\r\n{}\r\n0\r\n\r\n", (400,)),
    "chunks of a size that is no number": (_CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n", (400,)),
    "chunks of a size below zero": (_CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n", (400,)),
    "chunks of a size beyond 64 bits": (_CHUNKED + b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n", (400,)),
    "chunks that are longer than they say": (_CHUNKED + b"1\r\n{}\r\n0\r\n\r\n", (400,)),
    "chunks with extensions": (_CHUNKED + b"2;x=y\r\n{}\r\n0\r\n\r\n", (422,)),
    "chunks with trailers": (_CHUNKED + b"2\r\n{}\r\n0\r\nX: y\r\n\r\n", (422,)),
    "chunks of one byte": (
        _CHUNKED + b"1\r\n{\r\n" + b"1\r\n \r\n" * 5000 + b"1\r\n}\r\n0\r\n\r\n",
        (422,),
    ),
    "twenty requests at once": (_LIVE * 20, (200,) * 20),
    "a request after a refusal": (_POST + b"Content-Length: 2\r\n\r\n{}" + _LIVE, (422, 200)),
    "a request after one that is broken": (b"BREW / HTTP/1.1\r\n\r\n" + _LIVE, (400,)),
    "a request within a body": (_POST + b"Content-Length: %d\r\n\r\n" % len(_LIVE) + _LIVE, (400,)),
    "a broken request after two in flight": (
        _LIVE * 2 + b"BREW / HTTP/1.1\r\n\r\n",
        (200, 200, 400),
    ),
    "broken chunks after one in flight": (_LIVE + _CHUNKED + b"zz\r\n" + _LIVE, (200, 400)),
    "broken chunks for a path without a body": (
        b"GET /health/live HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        (400,),
    ),
    "half a line": (b"GET /heal", None),
    "half the headers": (b"GET / HTTP/1.1\r\nHo", None),
    "headers alone": (_POST + b"Content-Length: 9\r\n\r\n", None),
    "half a body": (_POST + b'Content-Length: 90\r\n\r\n{"name": "' + _MARK, None),
    "half a chunk": (_CHUNKED + b'ff\r\n{"name": "' + _MARK, None),
    "half a file": (_FILE + b"Content-Length: 900\r\n\r\nname,category\n" + _MARK, None),
    "half a chunk of a file": (_FILE + b"Transfer-Encoding: chunked\r\n\r\nff\r\nname\n", None),
    "a request whose answer nobody awaits": (_LIVE, None),
    "a file whose answer nobody awaits": (
        f"GET {API}/athletes/export{_CALLER}\r\n".encode(),
        None,
    ),
}
