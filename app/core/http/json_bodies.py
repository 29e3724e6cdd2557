"""Bodies in JSON, as requests declare and send them."""

import json
from typing import Any, NoReturn

from fastapi import Request
from pydantic_core import PydanticUndefined

from app.core.errors import MalformedBody, UnsupportedMediaType
from app.core.http.bodies import declared_type, whole_body


class JSONRequest(Request):
    """A request whose body is JSON as RFC 8259 has it, in UTF-8."""

    parsed: Any = PydanticUndefined
    """What the body holds, once it is parsed; undefined if there is none."""

    async def parse(self) -> None:
        """Read and parse the body, if there is one."""
        body = self._body = await whole_body(self, self.app.state.settings.max_body_size)
        if not body:
            return
        if not _declares_json(self):
            raise UnsupportedMediaType("The body has to be declared as application/json.")
        try:
            self.parsed = json.loads(
                body.decode(), parse_constant=_not_json, parse_int=_bounded_int
            )
        except UnicodeDecodeError:
            raise MalformedBody("The body is not UTF-8.") from None
        except json.JSONDecodeError as error:
            raise MalformedBody(f"The body is not JSON, from character {error.pos} on.") from None
        except RecursionError:
            raise MalformedBody("The body is nested too deeply.") from None

    async def json(self) -> Any:
        """Return the parsed body."""
        return self.parsed


def _declares_json(request: Request) -> bool:
    kind = declared_type(request)
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def _not_json(constant: str) -> NoReturn:
    raise json.JSONDecodeError("not JSON", constant, 0)


def _bounded_int(digits: str) -> int | float:
    """Read an integer; one of thousands of digits, which Python refuses, is out of any range."""
    return int(digits) if len(digits) < 20 else float(digits)
