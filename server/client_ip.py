"""The client's IP address, where proxies stand between it and us. Pure."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Nobody's public address.
PRIVATE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


def client_ip(peer: str, forwarded: str, trusted: tuple[Network, ...]) -> str:
    """The client's address, in its shortest form; "" where it cannot be told.

    `peer` is who opened the connection, `forwarded` the X-Forwarded-For header (several joined by commas). It is
    read only when `peer` is one of ours, from the right: each proxy adds whom it heard from, and what stands left
    of the first foreign address is the client's own claim.
    """
    address = address_of(peer)
    if address is None:
        return ""
    for hop in reversed(forwarded.split(",")) if forwarded.strip() else ():
        if not within(address, trusted):
            break
        address = address_of(hop)
        if address is None:
            return ""
    return str(address)


def networks(text: str) -> tuple[Network, ...]:
    """The networks of a comma-separated list of CIDRs and addresses. Raises ValueError that names the problem."""
    found: list[Network] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            network = ipaddress.ip_network(part, strict=False)
        except ValueError:
            raise ValueError("has a part that is no network and no IP address") from None
        if "/" in part and ipaddress.ip_address(part.partition("/")[0]) != network.network_address:
            # 10.1.2.3/8 is a slip more often than it means all of 10.0.0.0/8.
            raise ValueError("has a network whose address is not its first one")
        found.append(network)
    return tuple(found)


def within(address: Address, among: tuple[Network, ...]) -> bool:
    """Whether the address is in one of the networks."""
    return any(address.version == network.version and address in network for network in among)


def address_of(text: str) -> Address | None:
    """An address as proxies write it: with quotes, a port, brackets or a zone. None for anything else."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
