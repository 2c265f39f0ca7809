"""Mail hosts anybody can have an address at."""

from __future__ import annotations

import pytest

from core.data import free_mail_hosts, own_mail_hosts
from core.free_mail import is_free_mail

CASES = [
    # The big ones.
    ("gmail.com", True),
    ("googlemail.com", True),
    ("outlook.jp", True),
    ("hotmail.co.jp", True),
    ("icloud.com", True),
    ("proton.me", True),
    ("qq.com", True),
    ("naver.com", True),
    ("gmx.de", True),
    ("privaterelay.appleid.com", True),
    # Japan's carriers, providers and portals, with the subdomains that providers hand out.
    ("docomo.ne.jp", True),
    ("ezweb.ne.jp", True),
    ("au.com", True),
    ("i.softbank.jp", True),
    ("softbank.ne.jp", True),
    ("t.vodafone.ne.jp", True),
    ("ymobile.ne.jp", True),
    ("uqmobile.jp", True),
    ("rakuten.jp", True),
    ("yahoo.co.jp", True),
    ("ybb.ne.jp", True),
    ("mail.goo.ne.jp", True),
    ("excite.co.jp", True),
    ("nifty.com", True),
    ("gaea.ocn.ne.jp", True),
    ("ab.auone-net.jp", True),
    ("jcom.home.ne.jp", True),
    ("kcc.zaq.ne.jp", True),
    ("mx1.so-net.ne.jp", True),
    ("wakwak.com", True),
    # Throw-away.
    ("mailinator.com", True),
    ("anything.mailinator.com", True),
    ("10minutemail.com", True),
    ("sute.jp", True),
    # However it is written.
    ("GMAIL.com", True),
    ("gmail.com.", True),
    # Companies, and names that only look alike.
    ("acme.co.jp", False),
    ("toyota.co.jp", False),
    ("rakuten.co.jp", False),
    ("softbank.co.jp", False),
    ("ntt.com", False),
    ("kddi.com", False),
    ("nttdocomo.com", False),
    ("google.com", False),
    ("microsoft.com", False),
    ("apple.com", False),
    ("alibaba.com", False),
    ("starbucks.com", False),
    ("acme.net.ua", False),
    ("notgmail.com", False),
    ("gmail.com.acme.co.jp", False),
    ("gmail-acme.com", False),
    ("u-tokyo.ac.jp", False),
    ("metro.tokyo.lg.jp", False),
    # No domain at all.
    ("com", False),
    ("ne.jp", False),
    ("co.jp", False),
    ("", False),
    (".", False),
    ("...", False),
    ("a." * 5_000 + "gmail.com", False),
]


@pytest.mark.parametrize(("domain", "free"), CASES, ids=[row[0][:40] or "empty" for row in CASES])
def test_is_free_mail(domain: str, free: bool) -> None:
    assert is_free_mail(domain) is free


def test_the_lists_hold_hosts_only() -> None:
    listed = free_mail_hosts.HOSTS.split()
    assert len(listed) > 10_000
    assert listed == sorted(set(listed))
    for host in (*listed, *own_mail_hosts.FREE.split(), *own_mail_hosts.NOT_FREE.split()):
        assert host == host.lower().strip(".")
        assert "." in host


def test_the_corrections_are_still_needed() -> None:
    assert set(own_mail_hosts.NOT_FREE.split()) <= set(free_mail_hosts.HOSTS.split())
