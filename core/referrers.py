"""The class of where a visit came from: search, social, ai, mail, ad, referral or direct.

Lists: `core.data`. What counts as which, and why: docs/acquisition.md. A host is looked up whole and then by its
parent domains, label by label, so `mail.google.com` is mail, `google.co.jp` search and `notgoogle.com` a referral.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType

from core.data import own_referrer_hosts as own
from core.data import referrer_hosts as listed

#: Query parameters that name a click, the ones only an ad adds first. The vendor's word for each is in the docs.
AD_CLICK_IDS = (
    "gclid", "gbraid", "wbraid", "dclid", "gad_source", "msclkid", "yclid", "ttclid", "twclid", "li_fat_id",
    "rdt_cid", "epik", "ScCid",
)  # fmt: skip
#: Facebook and Instagram put `fbclid` on every link that leaves them, paid or not.
CLICK_IDS = (*AD_CLICK_IDS, "fbclid")

#: Google Analytics 4's paid media, `^(.*cp.*|ppc|retargeting|paid.*)$`, and its display and audio media.
_PAID = re.compile(r".*cp.*|ppc|retargeting|paid.*|display|banner|expandable|interstitial|audio", re.DOTALL)
_MEDIA = {
    # Not in Google's list, but what advertisers write.
    **dict.fromkeys(("ad", "ads", "sem", "listing", "native"), "ad"),
    **dict.fromkeys(("email", "e-mail", "e_mail", "e mail", "mail", "newsletter"), "mail"),
    **dict.fromkeys(
        ("social", "social-network", "social-media", "sm", "social network", "social media"), "social"
    ),
    "ai-assistant": "ai",
}
#: Media that say less than a known source does.
_PLAIN_MEDIA = {
    "organic": "search",
    **dict.fromkeys(("referral", "app", "link", "affiliate", "affiliates"), "referral"),
}
_DIRECT = frozenset({"", "direct", "(direct)", "none", "(none)", "(not set)"})
_MAX_HOST = 253


def _tables() -> tuple[MappingProxyType[str, str], MappingProxyType[str, str]]:
    """Class by exact host, and class by host or any parent domain of it."""
    exact = dict.fromkeys(listed.SEARCH.split(), "search")
    parents: dict[str, str] = {}
    for kind, hosts in (("social", listed.SOCIAL), ("mail", listed.MAIL), ("ad", listed.AD)):
        parents |= dict.fromkeys(hosts.split(), kind)
    for kind, hosts in (
        ("search", own.SEARCH),
        ("social", own.SOCIAL),
        ("ad", own.AD),
        ("mail", own.MAIL),
        ("ai", own.AI),
        ("referral", own.REFERRAL),
    ):
        for host in hosts.split():
            exact.pop(host, None)
            parents[host] = kind
    exact |= dict.fromkeys(own.SEARCH_ONLY.split(), "search")
    return MappingProxyType(exact), MappingProxyType(parents)


_EXACT, _PARENTS = _tables()
_NAMES = {name: kind for kind, names in own.NAMES.items() for name in names.split()} | dict.fromkeys(
    own.AI_NAMES.split(), "ai"
)


@lru_cache(maxsize=8_192)
def referrer_class(*, host: str, medium: str, source: str, click_id: str) -> str:
    """The class of a visit: `search`, `social`, `ai`, `mail`, `ad`, `referral` or `direct`.

    `host` is the referrer's ("" for none or the site's own), `medium` and `source` the UTM values, `click_id`
    the *name* of the click id in the URL (one of CLICK_IDS) or "". An ad's click id wins, then what the link's
    author wrote, then the referrer; a tagged link without a referrer is a referral, not direct.
    """
    medium, source = medium.strip().lower(), source.strip().lower()
    if click_id in AD_CLICK_IDS or _PAID.fullmatch(medium):
        return "ad"
    if kind := _MEDIA.get(medium) or _NAMES.get(source) or host_class(source) or _PLAIN_MEDIA.get(medium):
        return kind
    if host:
        return host_class(host) or "referral"
    if click_id == "fbclid":
        return "social"
    return "direct" if medium in _DIRECT and source in _DIRECT else "referral"


@lru_cache(maxsize=8_192)
def host_class(host: str) -> str:
    """The listed class of a host name, "" for one that is not listed."""
    name = host.lower().rstrip(".").removeprefix("www.")
    if len(name) > _MAX_HOST:
        return ""
    if kind := _EXACT.get(name):
        return kind
    while name:
        if kind := _PARENTS.get(name):
            return kind
        name = name.partition(".")[2]
    return ""
