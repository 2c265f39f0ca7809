"""Links to a visitor's page open that page alone, for 90 days."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from itsdangerous import URLSafeTimedSerializer

from alerts.links import LIFE_S, Links

LINKS = Links(public_url="https://k.example/", secret_key="secret-one")


class Aged(URLSafeTimedSerializer):
    """Signs as of `age` seconds ago."""

    age = 0

    class Signer(URLSafeTimedSerializer.default_signer):  # type: ignore[misc, name-defined]
        def get_timestamp(self) -> int:
            return int(super().get_timestamp()) - Aged.age

    default_signer = Signer


def test_the_link_holds_the_page_and_its_key() -> None:
    address = urlsplit(LINKS("shop", "v/1"))
    assert f"{address.scheme}://{address.netloc}{address.path}" == "https://k.example/visitors/shop/v%2F1"
    assert LINKS.opens(parse_qs(address.query)["k"][0], "shop", "v/1")


@pytest.mark.parametrize(
    ("key", "site", "visitor"),
    [
        (LINKS.key("shop", "v1"), "shop", "v2"),
        (LINKS.key("shop", "v1"), "other", "v1"),
        (LINKS.key("shop", "v1") + "x", "shop", "v1"),
        (Links(public_url="x", secret_key="secret-two").key("shop", "v1"), "shop", "v1"),
        ("", "shop", "v1"),
        (None, "shop", "v1"),
        ("é.é.é", "shop", "v1"),
    ],
    # A key holds the time: names made of it would differ from run to run.
    ids=["another visitor", "another site", "longer", "another secret", "empty", "none", "not ASCII"],
)
def test_no_other_key_opens(key: str | None, site: str, visitor: str) -> None:
    assert not LINKS.opens(key, site, visitor)


@pytest.mark.parametrize(("age", "opens"), [(0, True), (LIFE_S - 60, True), (LIFE_S + 60, False)])
def test_a_key_ends_after_ninety_days(age: int, opens: bool) -> None:
    Aged.age = age
    key = Aged("secret-one", salt="kizashi.link").dumps(["shop", "v1"])
    assert LINKS.opens(str(key), "shop", "v1") is opens
