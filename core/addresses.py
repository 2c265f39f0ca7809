"""Where an outgoing connection may lead: to the public Internet, and to what the operator allowed. Pure.

A URL typed by a user must not reach what only this machine can reach. `refusal` judges the address a socket is
about to connect to, `check_url` a URL before anything is looked up. Sources: IANA's IPv4 and IPv6
Special-Purpose Address Registries, RFC 6052 (NAT64), RFC 7526 (6to4 is deprecated).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

MAX_URL = 2_048
_PORTS = {"http": 80, "https": 443}

#: The Python library's `is_global` differs between versions and lets multicast, 6to4 and site-local through.
_REFUSED_V4 = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "an unspecified"),
        ("10.0.0.0/8", "a private"),
        ("100.64.0.0/10", "a carrier-grade NAT"),
        ("127.0.0.0/8", "a loopback"),
        ("169.254.0.0/16", "a link-local"),
        ("172.16.0.0/12", "a private"),
        ("192.0.0.0/24", "a reserved"),
        ("192.0.2.0/24", "a documentation"),
        ("192.88.99.0/24", "a 6to4"),
        ("192.168.0.0/16", "a private"),
        ("198.18.0.0/15", "a benchmarking"),
        ("198.51.100.0/24", "a documentation"),
        ("203.0.113.0/24", "a documentation"),
        ("224.0.0.0/4", "a multicast"),
        ("240.0.0.0/4", "a reserved"),
    )
)
_REFUSED_V6 = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("::/128", "an unspecified"),
        ("::1/128", "a loopback"),
        ("fc00::/7", "a private"),
        ("fe80::/10", "a link-local"),
        ("fec0::/10", "a private"),
        ("ff00::/8", "a multicast"),
        ("2001::/23", "a reserved"),
        ("2001:db8::/32", "a documentation"),
        ("2002::/16", "a 6to4"),
        ("3fff::/20", "a documentation"),
    )
)
_PUBLIC_V6 = IPv6Network("2000::/3")
#: Addresses that hold an IPv4 address in their last 32 bits: a connection to them ends there.
_WRAPPING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))

_INTERNAL = frozenset({"localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa"})
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One thing allowed: a network or a host name, on one port or on all (None)."""

    network: IPv4Network | IPv6Network | None = None
    host: str = ""
    port: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """What the operator allowed beside the public Internet."""

    entries: tuple[Entry, ...] = ()

    def address(self, address: IPv4Address | IPv6Address, port: int) -> bool:
        """Whether this address is allowed on this port."""
        return any(
            entry.network is not None and address in entry.network and entry.port in {None, port}
            for entry in self.entries
        )

    def host(self, host: str, port: int) -> bool:
        """Whether this host is allowed by its name: then wherever it resolves to."""
        name = _normal(host)
        return any(entry.host == name and entry.port in {None, port} for entry in self.entries if entry.host)


NOTHING = Allowed()


def parse_allowed(text: str) -> Allowed:
    """`10.0.0.0/8, 127.0.0.1:9000, [fd00::1]:9000, fd00::/8, hooks.corp.example:8443` as a value.

    Raises ValueError, which names the problem and the part.
    """
    return Allowed(entries=tuple(_entry(part.strip()) for part in text.split(",") if part.strip()))


def refusal(address: str, *, port: int, allowed: Allowed = NOTHING) -> str | None:
    """Why no connection may go to this IP address, in words ("a loopback address"); None where one may."""
    try:
        literal = ip_address(address)
    except ValueError:
        return "no IP address"
    forms = {literal, _unwrapped(literal)}
    if any(allowed.address(form, port) for form in forms):
        return None
    kind = _kind(_unwrapped(literal))
    return f"{kind} address" if kind else None


def check_url(url: str, *, allowed: Allowed = NOTHING) -> str | None:
    """What is wrong with `url` as the address of a receiver, in words; None where it may be saved.

    Nothing is looked up: a name that resolves to a private address is refused when it is connected to.
    """
    if len(url) > MAX_URL or "\\" in url or any(mark.isspace() or not mark.isprintable() for mark in url):
        return f"is longer than {MAX_URL} characters or holds a space, a backslash or a control character"
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return "is not a URL"
    if "[" in parts.netloc and ":" not in (parts.hostname or ""):
        return "is not a URL"
    if parts.scheme not in _PORTS:
        return "does not start with https://"
    return _check_host(parts, port, allowed)


def _check_host(parts: SplitResult, port: int, allowed: Allowed) -> str | None:
    host = _normal(parts.hostname or "")
    if ":" in host or _NUMERIC.fullmatch(host.rpartition(".")[2]):
        return _check_literal(host, parts.scheme, port, allowed)
    if not _HOST.fullmatch(host):
        return "names no host" if not host else "holds a host name that is none"
    if allowed.host(host, port):
        return None
    if "." not in host or host.rpartition(".")[2] in _INTERNAL:
        return "names a host of an internal network"
    return _check_scheme(parts.scheme)


def _check_literal(host: str, scheme: str, port: int, allowed: Allowed) -> str | None:
    try:
        literal = ip_address(host)
    except ValueError:  # 127.1, 0x7f000001 and 2130706433 are 127.0.0.1 to a resolver
        return "holds an IP address that is not written in full"
    if getattr(literal, "scope_id", None):
        return "holds an IP address with a zone"
    if problem := refusal(host, port=port, allowed=allowed):
        return f"leads to {problem}"
    if any(allowed.address(form, port) for form in {literal, _unwrapped(literal)}):
        return None
    return _check_scheme(scheme)


def _check_scheme(scheme: str) -> str | None:
    # An alert holds personal data. In a network of the operator's own, they may decide otherwise.
    return None if scheme == "https" else "does not start with https://, and its host is not an allowed one"


def _kind(address: IPv4Address | IPv6Address) -> str:
    """What kind of address a refused one is, "" for a public one."""
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _REFUSED_V4 if address in network), "")
    found = next((kind for network, kind in _REFUSED_V6 if address in network), "")
    return found or ("" if address in _PUBLIC_V6 else "a reserved")


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv6Address) and any(address in network for network in _WRAPPING):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _normal(host: str) -> str:
    """The name as a resolver will see it: full-width digits and the ideographic full stop are plain there."""
    name = unicodedata.normalize("NFKC", host).replace("\u3002", ".").lower().rstrip(".")
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name


def _entry(part: str) -> Entry:
    host, port = _host_and_port(part)
    try:
        network = ip_network(host)
    except ValueError:
        network = None
    if network is not None:
        return Entry(network=network, port=port)
    name = _normal(host)
    if "/" in host or _NUMERIC.fullmatch(name.rpartition(".")[2]) or not _HOST.fullmatch(name):
        raise ValueError(f"holds {part!r}, which is no network, address or host name")
    return Entry(host=name, port=port)


def _host_and_port(part: str) -> tuple[str, int | None]:
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?", part)
    named = re.fullmatch(r"([^:]+):(\d{1,5})", part)
    found = bracketed or named
    if found is None:
        return part, None
    port = int(found[2]) if found[2] else None
    if port is not None and not 0 < port < 65_536:
        raise ValueError(f"holds {part!r}, whose port is none")
    return found[1], port
