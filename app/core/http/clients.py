"""Which client sends a request, for limits of each client."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.types import Scope


def client_address(scope: Scope) -> str:
    """Return the address of the client of a request: an IPv4 address, or an IPv6 network (/64).

    Anyone with one IPv6 address usually has its whole /64. Clients without a valid address, on a
    Unix socket for example, are one client: the empty string.
    """
    host, _ = scope.get("client") or ("", 0)
    return _network(host)


@lru_cache(maxsize=1024)
def _network(host: str) -> str:
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        return ""
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped:  # an IPv4 client of a socket that accepts both
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
