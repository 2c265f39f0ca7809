"""Country and company of an address, and whose address it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from core.errors import SettingsError
from server import geo
from server.client_ip import client_ip, networks
from server.geo import NOWHERE, Place, Places, checked_database

Records = dict[str, Any]


def write(path: Path, records: Records, *, version: int = 6) -> Path:
    """A MaxMind-format file, put in place by renaming, as operators are told to."""
    writer = MMDBWriter(version, "Test", languages=["en"], ipv4_compatible=version == 6)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    fresh = path.with_suffix(".new")
    writer.to_db_file(str(fresh))
    fresh.rename(path)
    return path


COUNTRY: Records = {
    "203.0.113.0/24": {"country": {"iso_code": "JP", "names": {"en": "Japan"}}, "continent": {"code": "AS"}},
    "198.51.100.0/25": {"country_code": "us"},
    "198.51.100.128/25": {"country": "DE"},
    "2001:db8:1::/48": {"country": {"iso_code": "FR"}},
    "192.0.2.0/24": {"country": {"iso_code": "not a code"}},
    "192.168.0.0/16": {"country": {"iso_code": "JP"}},
}
COMPANY: Records = {
    "203.0.113.0/28": {"company_domain": "Acme.co.jp.", "company_name": "アクメ株式会社"},
    "203.0.113.16/28": {"domain": "beta.example", "name": "Beta KK", "type": "business"},
    "203.0.113.32/28": {"domain": "some-provider.example", "name": "Some Provider", "type": "isp"},
    "203.0.113.48/28": {"domain": "ocn.ne.jp", "name": "OCN"},
    "203.0.113.64/28": {"traits": {"organization": "Gamma Inc"}},
    "203.0.113.80/28": {"name": 7, "domain": ["x"]},
}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    country = write(tmp_path / "country.mmdb", COUNTRY)
    return Places(country=country, company=write(tmp_path / "company.mmdb", COMPANY, version=4))


LOOK_UPS = [
    ("MaxMind's layout", "203.0.113.200", Place(country="JP")),
    ("flat code, lower case", "198.51.100.1", Place(country="US")),
    ("flat country", "198.51.100.200", Place(country="DE")),
    ("IPv6, which the IPv4 file cannot answer", "2001:db8:1::7", Place(country="FR")),
    ("IPv4 inside IPv6", "::ffff:203.0.113.200", Place(country="JP")),
    (
        "own layout",
        "203.0.113.1",
        Place(country="JP", company_domain="acme.co.jp", company_name="アクメ株式会社"),
    ),
    ("IPinfo's", "203.0.113.17", Place(country="JP", company_domain="beta.example", company_name="Beta KK")),
    ("a provider's customer", "203.0.113.33", Place(country="JP")),
    ("a provider without a type", "203.0.113.49", Place(country="JP")),
    ("a name alone", "203.0.113.65", Place(country="JP", company_name="Gamma Inc")),
    ("values of odd types", "203.0.113.81", Place(country="JP")),
    ("no code", "192.0.2.1", NOWHERE),
    ("unknown", "8.8.8.8", NOWHERE),
    ("private, though the file has it", "192.168.1.1", NOWHERE),
    ("loopback", "127.0.0.1", NOWHERE),
    ("loopback IPv6", "::1", NOWHERE),
    ("carrier NAT", "100.64.0.1", NOWHERE),
    ("empty", "", NOWHERE),
    ("rubbish", "not an address", NOWHERE),
]


@pytest.mark.parametrize(("name", "ip", "wanted"), LOOK_UPS, ids=[row[0] for row in LOOK_UPS])
def test_place_of_an_address(places: Places, name: str, ip: str, wanted: Place) -> None:
    assert places.look_up(ip) == wanted


def test_without_databases_nothing_is_known() -> None:
    assert Places().look_up("203.0.113.1") == NOWHERE


def absent(path: Path) -> Path:
    return path / "none.mmdb"


def rubbish(path: Path) -> Path:
    (path / "bad.mmdb").write_bytes(b"<html>rate limited</html>" * 100)
    return path / "bad.mmdb"


def empty(path: Path) -> Path:
    (path / "empty.mmdb").touch()
    return path / "empty.mmdb"


def cut(path: Path) -> Path:
    whole = write(path / "whole.mmdb", COUNTRY).read_bytes()
    (path / "cut.mmdb").write_bytes(whole[: len(whole) // 2])
    return path / "cut.mmdb"


def folder(path: Path) -> Path:
    return path


BROKEN = [
    (absent, "is not there"),
    (rubbish, "is not a MaxMind-format database"),
    (empty, "is not a MaxMind-format database"),
    (cut, "is not a MaxMind-format database"),
    (folder, "is not a MaxMind-format database"),
]


@pytest.mark.parametrize(("make", "problem"), BROKEN, ids=[row[0].__name__ for row in BROKEN])
@pytest.mark.parametrize("argument", ["country", "company"])
def test_a_bad_file_stops_the_start_with_one_line(
    tmp_path: Path, make: Callable[[Path], Path], problem: str, argument: str
) -> None:
    path = make(tmp_path)
    setting = {"country": "KIZASHI_GEOIP_DB", "company": "KIZASHI_COMPANY_DB"}[argument]
    with pytest.raises(SettingsError) as raised:
        Places(**{argument: path})
    assert str(raised.value) == f"{setting}: {str(path)!a} {problem}"
    with pytest.raises(ValueError, match=problem):
        checked_database(path)


def test_a_replaced_file_is_taken_up(tmp_path: Path) -> None:
    path = write(tmp_path / "country.mmdb", COUNTRY)
    places = Places(country=path)
    assert places.reload() == 0
    write(path, {"203.0.113.0/24": {"country": {"iso_code": "KR"}}})
    assert places.look_up("203.0.113.1") == Place(country="JP")
    assert places.reload() == 1
    assert places.look_up("203.0.113.1") == Place(country="KR")


@pytest.mark.parametrize("replace", [rubbish, absent], ids=["rubbish", "gone"])
def test_a_broken_replacement_leaves_the_old_file_in_use(
    tmp_path: Path, replace: Callable[[Path], Path]
) -> None:
    path = write(tmp_path / "country.mmdb", COUNTRY)
    places = Places(country=path)
    bad = replace(tmp_path)
    bad.rename(path) if bad.exists() else path.unlink()
    assert places.reload() == 0
    assert places.look_up("203.0.113.1") == Place(country="JP")
    write(path, {"203.0.113.0/24": {"country": {"iso_code": "KR"}}})
    assert places.reload() == 1
    assert places.look_up("203.0.113.1") == Place(country="KR")


async def test_watching_takes_up_a_replaced_file_by_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "country.mmdb", COUNTRY)
    places = Places(country=path, look_every=0.01)
    async with places.watching(), asyncio.timeout(30):
        write(path, {"203.0.113.0/24": {"country": {"iso_code": "KR"}}})
        while places.look_up("203.0.113.1") != Place(country="KR"):  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.01)
    assert geo.LOOK_EVERY < 60


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="counts maps as Linux shows them")
def test_a_replaced_file_is_let_go(tmp_path: Path) -> None:
    path = write(tmp_path / "country.mmdb", COUNTRY)
    places = Places(country=path)
    for country in ("KR", "JP", "DE"):
        write(path, {"203.0.113.0/24": {"country": {"iso_code": country}}})
        assert places.reload() == 1
    maps = Path("/proc/self/maps").read_text().splitlines()
    assert sum(str(tmp_path) in line for line in maps) == 1
    places.close()


PROXIES = networks("10.0.0.0/8, 192.0.2.1,2001:db8::/32")
CLIENTS = [
    ("no proxy, no header", "203.0.113.9", "", "203.0.113.9"),
    ("a stranger's header is not believed", "203.0.113.9", "8.8.8.8", "203.0.113.9"),
    ("one proxy", "10.0.0.1", "203.0.113.9", "203.0.113.9"),
    ("the client's own claim is left of it", "10.0.0.1", "8.8.8.8, 203.0.113.9", "203.0.113.9"),
    ("two proxies", "10.0.0.1", "203.0.113.9, 192.0.2.1", "203.0.113.9"),
    ("a claim to be a proxy", "10.0.0.1", "10.9.9.9, 203.0.113.9", "203.0.113.9"),
    ("all ours: a client inside", "10.0.0.1", "10.0.0.7, 10.0.0.2", "10.0.0.7"),
    ("proxy without a header", "10.0.0.1", "", "10.0.0.1"),
    ("blank header", "10.0.0.1", "  ", "10.0.0.1"),
    ("IPv6 proxy", "2001:db8::1", "203.0.113.9", "203.0.113.9"),
    ("IPv4 proxy seen over IPv6", "::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
    ("with a port", "10.0.0.1", "203.0.113.9:51000", "203.0.113.9"),
    ("IPv6 in brackets with a port", "10.0.0.1", '"[2001:DB9::9]:51000"', "2001:db9::9"),
    ("IPv6 bare", "10.0.0.1", "2001:db9::9", "2001:db9::9"),
    ("with a zone", "10.0.0.1", "fe80::1%eth0", "fe80::1"),
    ("unknown", "10.0.0.1", "unknown", ""),
    ("a hidden hop", "10.0.0.1", "203.0.113.9, _hidden", ""),
    ("an empty hop", "10.0.0.1", "203.0.113.9,,", ""),
    ("script", "10.0.0.1", "<script>alert(1)</script>", ""),
    ("no peer", "", "203.0.113.9", ""),
]


@pytest.mark.parametrize(("name", "peer", "forwarded", "wanted"), CLIENTS, ids=[row[0] for row in CLIENTS])
def test_client_address(name: str, peer: str, forwarded: str, wanted: str) -> None:
    assert client_ip(peer, forwarded, PROXIES) == wanted


def test_without_trusted_proxies_only_the_connection_counts() -> None:
    assert client_ip("10.0.0.1", "203.0.113.9", ()) == "10.0.0.1"


def test_networks() -> None:
    assert networks("") == ()
    assert networks(" 10.0.0.0/8 ,, 192.0.2.1 ") == (ip_network("10.0.0.0/8"), ip_network("192.0.2.1/32"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10.0.0.0/8, proxy.internal", "has a part that is no network and no IP address"),
        ("10.0.0.0/33", "has a part that is no network and no IP address"),
        ("10.1.2.3/8", "has a network whose address is not its first one"),
    ],
)
def test_bad_networks_are_named(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        networks(text)
