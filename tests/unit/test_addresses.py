"""Which addresses and URLs an outgoing connection may have."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.addresses import Allowed, Entry, check_url, parse_allowed, refusal

REFUSED = [
    ("127.0.0.1", "a loopback address"),
    ("127.255.255.254", "a loopback address"),
    ("10.0.0.1", "a private address"),
    ("172.16.0.1", "a private address"),
    ("172.31.255.255", "a private address"),
    ("192.168.1.1", "a private address"),
    ("169.254.169.254", "a link-local address"),
    ("100.64.0.1", "a carrier-grade NAT address"),
    ("100.127.255.255", "a carrier-grade NAT address"),
    ("0.0.0.0", "an unspecified address"),
    ("0.1.2.3", "an unspecified address"),
    ("224.0.0.1", "a multicast address"),
    ("239.255.255.255", "a multicast address"),
    ("240.0.0.1", "a reserved address"),
    ("255.255.255.255", "a reserved address"),
    ("192.0.0.8", "a reserved address"),
    ("192.0.2.1", "a documentation address"),
    ("192.88.99.1", "a 6to4 address"),
    ("198.18.0.1", "a benchmarking address"),
    ("::", "an unspecified address"),
    ("::1", "a loopback address"),
    ("fd00:ec2::254", "a private address"),
    ("fec0::1", "a private address"),
    ("fe80::1", "a link-local address"),
    ("fe80::1%lo", "a link-local address"),
    ("ff02::1", "a multicast address"),
    ("ff0e::1", "a multicast address"),
    ("::ffff:127.0.0.1", "a loopback address"),
    ("::ffff:a9fe:a9fe", "a link-local address"),
    ("::ffff:10.1.2.3", "a private address"),
    ("64:ff9b::127.0.0.1", "a loopback address"),
    ("64:ff9b::c0a8:1", "a private address"),
    ("64:ff9b:1::a00:1", "a reserved address"),
    ("::127.0.0.1", "a reserved address"),
    ("::ffff:0:127.0.0.1", "a reserved address"),
    ("2002:7f00:1::", "a 6to4 address"),
    ("2002:808:808::1", "a 6to4 address"),
    ("2001::1", "a reserved address"),
    ("2001:db8::1", "a documentation address"),
    ("100::1", "a reserved address"),
    ("4000::1", "a reserved address"),
    ("127.1", "no IP address"),
    ("0x7f000001", "no IP address"),
    ("localhost", "no IP address"),
    ("", "no IP address"),
]
PUBLIC = [
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "223.255.255.255",
    "2606:4700::1111",
    "2001:200::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize(("address", "kind"), REFUSED)
def test_refused_addresses(address: str, kind: str) -> None:
    assert refusal(address, port=443) == kind


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert refusal(address, port=443) is None


@given(st.ip_addresses(v=4))
def test_whatever_python_calls_private_is_refused_however_it_is_wrapped(
    address: ipaddress.IPv4Address,
) -> None:
    forms = [str(address), f"::ffff:{address}", f"64:ff9b::{address}"]
    answers = {refusal(form, port=443) for form in forms}
    assert len(answers) == 1
    if address.is_private or address.is_multicast or address.is_reserved:
        assert answers != {None}


@given(st.ip_addresses(v=6))
def test_outside_the_public_range_only_wrapped_public_addresses_pass(address: ipaddress.IPv6Address) -> None:
    if refusal(str(address), port=443) is None:
        wrapped = address.ipv4_mapped or address in ipaddress.IPv6Network("64:ff9b::/96")
        assert wrapped or address in ipaddress.IPv6Network("2000::/3")


ALLOW = "10.0.0.0/8, 127.0.0.1:9000,[fd00::1]:9443,fd01::/16, hooks.corp.example , Queue:8000"


@pytest.mark.parametrize(
    ("address", "port", "passes"),
    [
        ("10.1.2.3", 80, True),
        ("::ffff:10.1.2.3", 80, True),
        ("127.0.0.1", 9000, True),
        ("127.0.0.1", 6379, False),
        ("127.0.0.2", 9000, False),
        ("fd00::1", 9443, True),
        ("fd00::1", 443, False),
        ("fd01:2::3", 443, True),
        ("192.168.0.1", 9000, False),
    ],
)
def test_the_operator_allows_networks_and_ports(address: str, port: int, passes: bool) -> None:
    assert (refusal(address, port=port, allowed=parse_allowed(ALLOW)) is None) is passes


def test_the_list_of_what_is_allowed() -> None:
    assert parse_allowed("") == Allowed()
    assert parse_allowed("127.0.0.1:9000, Bücher.example.") == Allowed(
        entries=(
            Entry(network=ipaddress.IPv4Network("127.0.0.1/32"), port=9000),
            Entry(host="xn--bcher-kva.example"),
        )
    )


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1/8",
        "10.0.0.0/33",
        "127.1",
        "2130706433",
        "http://x.example",
        "a b",
        "x:0",
        "x:70000",
        "*.example",
    ],
)
def test_a_list_that_cannot_be_read_names_its_part(text: str) -> None:
    with pytest.raises(ValueError, match=r"holds '"):
        parse_allowed(f"10.0.0.0/8,{text}")


NOT_IN_FULL = "holds an IP address that is not written in full"
INTERNAL = "names a host of an internal network"
LOOPBACK = "leads to a loopback address"
ODD = "is longer than 2048 characters or holds a space, a backslash or a control character"
URLS = [
    ("https://hooks.example.com/x?y=1", None),
    ("https://user:pass@hooks.example.com:8443/", None),
    ("https://8.8.8.8/", None),
    ("https://bücher.example/", None),
    ("https://hooks.example.com./", None),
    ("http://hooks.example.com/", "does not start with https://, and its host is not an allowed one"),
    ("http://8.8.8.8/", "does not start with https://, and its host is not an allowed one"),
    ("ftp://hooks.example.com/", "does not start with https://"),
    ("file:///etc/passwd", "does not start with https://"),
    ("hooks.example.com", "does not start with https://"),
    ("https://", "names no host"),
    ("https://127.0.0.1/", LOOPBACK),
    ("https://127.0.0.1./", LOOPBACK),
    ("https://public.example@127.0.0.1/", LOOPBACK),
    ("https://①②⑦.0.0.1/", LOOPBACK),
    ("https://127。0。0。1/", LOOPBACK),
    ("https://[::1]/", LOOPBACK),
    ("https://[::ffff:127.0.0.1]/", LOOPBACK),
    ("https://[64:ff9b::7f00:1]/", LOOPBACK),
    ("https://[fe80::1%25lo]/", "holds an IP address with a zone"),
    ("https://169.254.169.254/latest/meta-data", "leads to a link-local address"),
    ("https://2130706433/", NOT_IN_FULL),
    ("https://0x7f000001/", NOT_IN_FULL),
    ("https://0x7f.1/", NOT_IN_FULL),
    ("https://127.1/", NOT_IN_FULL),
    ("https://0177.0.0.1/", NOT_IN_FULL),
    ("https://127.0.0.0x1/", NOT_IN_FULL),
    ("https://127%2e0.0.1/", NOT_IN_FULL),
    ("https://127.0.0.1%2f.example/", "holds a host name that is none"),
    ("https://localhost/", INTERNAL),
    ("https://LOCALHOST./", INTERNAL),
    ("https://x.localhost/", INTERNAL),
    ("https://valkey:6379/", INTERNAL),
    ("https://metadata.google.internal/", INTERNAL),
    ("https://printer.local/", INTERNAL),
    ("https://hooks.example.com:99999/", "is not a URL"),
    ("https://[::1/", "is not a URL"),
    ("https://[v1.x]/", "is not a URL"),
    ("https://a..b/", "holds a host name that is none"),
    ("https://hooks.example.com\\@127.0.0.1/", ODD),
    ("https://hooks.example.com/\r\nX: y", ODD),
    ("https://hooks.example.com/ x", ODD),
    ("https://hooks.example.com/" + "x" * 2048, ODD),
]


@pytest.mark.parametrize(("url", "problem"), URLS)
def test_urls_before_anything_is_looked_up(url: str, problem: str | None) -> None:
    assert check_url(url) == problem


@pytest.mark.parametrize(
    ("url", "passes"),
    [
        ("http://10.1.2.3/", True),
        ("http://127.0.0.1:9000/", True),
        ("http://127.0.0.1:9001/", False),
        ("http://[fd00::1]:9443/", True),
        ("http://hooks.corp.example/", True),
        ("http://HOOKS.corp.example.:81/", True),
        ("http://queue:8000/", True),
        ("http://queue/", False),
        ("http://x.hooks.corp.example/", False),
    ],
)
def test_urls_of_what_the_operator_allows(url: str, passes: bool) -> None:
    assert (check_url(url, allowed=parse_allowed(ALLOW)) is None) is passes
