"""Where a visit came from, by class."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data import free_mail_hosts
from core.data import own_referrer_hosts as own
from core.data import referrer_hosts as listed
from core.referrers import AD_CLICK_IDS, CLICK_IDS, host_class, referrer_class
from tools import lists

CLASSES = {"search", "social", "ai", "mail", "ad", "referral", "direct"}

HOSTS = [
    # Search: the host itself and its www., not what else is under the domain.
    ("www.google.com", "search"),
    ("www.google.co.jp", "search"),
    ("google.de", "search"),
    ("images.google.co.jp", "search"),
    ("lens.google.com", "search"),
    ("com.google.android.googlequicksearchbox", "search"),
    ("www.bing.com", "search"),
    ("cn.bing.com", "search"),
    ("duckduckgo.com", "search"),
    ("html.duckduckgo.com", "search"),
    ("search.brave.com", "search"),
    ("www.ecosia.org", "search"),
    ("www.startpage.com", "search"),
    ("r.search.yahoo.com", "search"),
    ("uk.search.yahoo.com", "search"),
    ("yandex.ru", "search"),
    ("www.baidu.com", "search"),
    ("search.naver.com", "search"),
    ("m.search.naver.com", "search"),
    ("docs.google.com", "referral"),
    ("sites.google.com", "referral"),
    ("classroom.google.com", "referral"),
    # Japan's portals and searches.
    ("www.yahoo.co.jp", "search"),
    ("search.yahoo.co.jp", "search"),
    ("m.yahoo.co.jp", "search"),
    ("news.yahoo.co.jp", "referral"),
    ("shopping.yahoo.co.jp", "referral"),
    ("mail.yahoo.co.jp", "mail"),
    ("jp.mg5.mail.yahoo.co.jp", "mail"),
    ("detail.chiebukuro.yahoo.co.jp", "social"),
    ("www.goo.ne.jp", "search"),
    ("search.goo.ne.jp", "search"),
    ("mail.goo.ne.jp", "mail"),
    ("blog.goo.ne.jp", "social"),
    ("oshiete.goo.ne.jp", "social"),
    ("www.excite.co.jp", "search"),
    ("websearch.excite.co.jp", "search"),
    ("blog.excite.co.jp", "social"),
    ("search.biglobe.ne.jp", "search"),
    ("search.nifty.com", "search"),
    ("websearch.rakuten.co.jp", "search"),
    ("www.rakuten.co.jp", "referral"),
    ("search.smt.docomo.ne.jp", "search"),
    ("sp-web.search.auone.jp", "search"),
    # Social.
    ("note.com", "social"),
    ("b.hatena.ne.jp", "social"),
    ("acme.hatenablog.com", "social"),
    ("line.me", "social"),
    ("liff.line.me", "social"),
    ("jp.naver.line.android", "social"),
    ("ameblo.jp", "social"),
    ("qiita.com", "social"),
    ("zenn.dev", "social"),
    ("www.facebook.com", "social"),
    ("lm.facebook.com", "social"),
    ("l.instagram.com", "social"),
    ("www.linkedin.com", "social"),
    ("lnkd.in", "social"),
    ("t.co", "social"),
    ("x.com", "social"),
    ("www.youtube.com", "social"),
    ("l.threads.com", "social"),
    ("www.tiktok.com", "social"),
    ("old.reddit.com", "social"),
    ("tieba.baidu.com", "social"),
    # AI assistants, under search engines' domains too.
    ("chatgpt.com", "ai"),
    ("www.chatgpt.com", "ai"),
    ("chat.openai.com", "ai"),
    ("www.perplexity.ai", "ai"),
    ("claude.ai", "ai"),
    ("gemini.google.com", "ai"),
    ("notebooklm.google.com", "ai"),
    ("copilot.microsoft.com", "ai"),
    ("edgeservices.bing.com", "ai"),
    ("chat.deepseek.com", "ai"),
    ("grok.com", "ai"),
    ("felo.ai", "ai"),
    ("www.genspark.ai", "ai"),
    ("com.openai.chatgpt", "ai"),
    ("openai.com", "referral"),
    ("www.microsoft.com", "referral"),
    # Mail.
    ("mail.google.com", "mail"),
    ("com.google.android.gm", "mail"),
    ("outlook.live.com", "mail"),
    ("outlook.office365.com", "mail"),
    ("jpn01.safelinks.protection.outlook.com", "mail"),
    ("mail.proton.me", "mail"),
    # Ad networks.
    ("googleads.g.doubleclick.net", "ad"),
    ("tpc.googlesyndication.com", "ad"),
    ("www.googleadservices.com", "ad"),
    ("cas.criteo.com", "ad"),
    ("trc.taboola.com", "ad"),
    ("i.adingo.jp", "ad"),
    # Names that only look alike.
    ("notgoogle.com", "referral"),
    ("google.com.evil.example", "referral"),
    ("chatgpt.com.evil.example", "referral"),
    ("mychatgpt.com", "referral"),
    ("facebook.com.evil.example", "referral"),
    ("bing.com-search.example", "referral"),
    ("nott.co", "referral"),
    ("fox.com", "referral"),
    # Others.
    ("www.amazon.com", "referral"),
    ("partner.example.co.jp", "referral"),
    ("intranet", "referral"),
    ("203.0.113.9", "referral"),
    ("::1", "referral"),
    # However it is written.
    ("WWW.GOOGLE.CO.JP", "search"),
    ("www.google.com.", "search"),
    ("a." * 5_000 + "facebook.com", "referral"),
    ("...", "referral"),
    ("", "direct"),
]


@pytest.mark.parametrize(("host", "wanted"), HOSTS, ids=[row[0][:40] or "empty" for row in HOSTS])
def test_by_referrer_alone(host: str, wanted: str) -> None:
    assert referrer_class(host=host, medium="", source="", click_id="") == wanted


TAGGED = [
    # (host, medium, source, click id, class)
    ("www.google.com", "", "", "gclid", "ad"),
    ("", "", "", "gbraid", "ad"),
    ("", "", "", "wbraid", "ad"),
    ("", "", "", "msclkid", "ad"),
    ("search.yahoo.co.jp", "", "", "yclid", "ad"),
    ("www.linkedin.com", "", "", "li_fat_id", "ad"),
    ("t.co", "", "", "twclid", "ad"),
    ("", "email", "newsletter", "gclid", "ad"),
    # Facebook and Instagram put fbclid on every link.
    ("l.facebook.com", "", "", "fbclid", "social"),
    ("", "", "", "fbclid", "social"),
    ("l.instagram.com", "paid_social", "ig", "fbclid", "ad"),
    ("l.facebook.com", "cpc", "facebook", "fbclid", "ad"),
    ("mail.google.com", "", "", "fbclid", "mail"),
    ("partner.example", "", "", "some_id", "referral"),
    # Google Analytics 4's media.
    ("", "cpc", "google", "", "ad"),
    ("", "CPC", "Google", "", "ad"),
    ("", "ppc", "", "", "ad"),
    ("", "cpm", "", "", "ad"),
    ("", "retargeting", "", "", "ad"),
    ("", "paid", "line", "", "ad"),
    ("", "paidsearch", "", "", "ad"),
    ("", "paid-social", "facebook", "", "ad"),
    ("news.example", "display", "", "", "ad"),
    ("", "banner", "", "", "ad"),
    ("", "expandable", "", "", "ad"),
    ("", "interstitial", "", "", "ad"),
    ("", "audio", "", "", "ad"),
    ("", "email", "", "", "mail"),
    ("", "e-mail", "", "", "mail"),
    ("www.google.com", "e_mail", "", "", "mail"),
    ("", "E Mail", "", "", "mail"),
    ("", "", "email", "", "mail"),
    ("", "newsletter", "", "", "mail"),
    ("", "", "newsletter", "", "mail"),
    ("", "social", "", "", "social"),
    ("", "social-media", "", "", "social"),
    ("", "sm", "", "", "social"),
    ("", "social network", "", "", "social"),
    ("", "organic", "google", "", "search"),
    ("", "organic", "unheard-of", "", "search"),
    ("", "referral", "partner.example", "", "referral"),
    ("www.google.com", "affiliate", "asp", "", "referral"),
    ("", "ai-assistant", "chatgpt.com", "", "ai"),
    # Sources by name and by host.
    ("", "", "chatgpt.com", "", "ai"),
    ("", "referral", "chatgpt.com", "", "ai"),
    ("www.google.com", "", "chatgpt.com", "", "ai"),
    ("", "", "perplexity", "", "ai"),
    ("", "", "copilot.com", "", "ai"),
    ("", "organic", "chatgpt.com", "", "ai"),
    ("", "cpc", "chatgpt.com", "", "ad"),
    ("", "", "line", "", "social"),
    ("", "message", "line", "", "social"),
    ("", "", "note.com", "", "social"),
    ("", "", "ig", "", "social"),
    ("", "", "google", "", "search"),
    ("", "", "www.google.co.jp", "", "search"),
    ("", "", "notgoogle", "", "referral"),
    # Tags of the site's own say nothing: the referrer decides, and a tagged link is not a direct visit.
    ("www.google.com", "top", "spring", "", "search"),
    ("note.com", "article", "", "", "social"),
    ("", "qr", "exhibition", "", "referral"),
    ("", "", "spring", "", "referral"),
    ("", "(none)", "(direct)", "", "direct"),
    ("", "(not set)", "direct", "", "direct"),
    ("", " ", " ", "", "direct"),
]


@pytest.mark.parametrize(("host", "medium", "source", "click_id", "wanted"), TAGGED)
def test_by_tags_and_referrer(host: str, medium: str, source: str, click_id: str, wanted: str) -> None:
    assert referrer_class(host=host, medium=medium, source=source, click_id=click_id) == wanted


def test_every_ad_click_id_is_an_ad_and_fbclid_is_the_only_other() -> None:
    found = {name: referrer_class(host="", medium="", source="", click_id=name) for name in CLICK_IDS}
    assert found == dict.fromkeys(AD_CLICK_IDS, "ad") | {"fbclid": "social"}


@given(host=st.text(max_size=40), medium=st.text(max_size=20), source=st.text(max_size=20))
def test_anything_has_a_class(host: str, medium: str, source: str) -> None:
    assert referrer_class(host=host, medium=medium, source=source, click_id="") in CLASSES


@given(label=st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True), word=st.sampled_from(own.SOCIAL.split()))
def test_a_subdomain_is_as_its_domain_and_a_longer_name_is_not(label: str, word: str) -> None:
    assert host_class(f"{label}.{word}") == "social"
    assert host_class(f"{word}.{label}.example") == ""
    assert host_class(f"zz{label}{word}") == ""


def test_the_lists_hold_hosts_only_and_no_host_twice() -> None:
    kinds = [own.AI, own.SEARCH, own.SEARCH_ONLY, own.SOCIAL, own.MAIL, own.AD, own.REFERRAL]
    hosts = [host for text in kinds for host in text.split()]
    assert len(hosts) == len(set(hosts))
    every = [
        *hosts,
        *(h for text in (listed.SEARCH, listed.SOCIAL, listed.MAIL, listed.AD) for h in text.split()),
    ]
    assert len(every) > 1_000
    for host in every:
        assert host == host.lower().removeprefix("www.")
        assert "." in host
        assert "/" not in host


def test_the_corrections_are_still_needed() -> None:
    every = {h for text in (listed.SEARCH, listed.SOCIAL, listed.MAIL, listed.AD) for h in text.split()}
    assert set(own.REFERRAL.split()) <= every


@pytest.mark.parametrize(
    ("package", "module"),
    [(lists.REFERRERS, listed), (lists.FREE_MAIL, free_mail_hosts)],
    ids=["referrers", "mail"],
)
def test_the_generated_lists_say_which_version_they_are(package: lists.Package, module: object) -> None:
    root = Path(__file__).parents[2]
    named = f"{package.name} {package.version}"
    assert named in (module.__doc__ or "")
    assert named in (root / "core/data/NOTICE").read_text()
    assert f"`{package.name}` {package.version}" in (root / "docs/acquisition.md").read_text()


def test_every_click_id_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs/acquisition.md").read_text()
    assert [name for name in CLICK_IDS if f"`{name}`" not in text] == []
