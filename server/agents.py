"""What the User-Agent header tells: who is asking (a crawler, automation, a person) and on what kind of device.

Crawlers: the `crawler-user-agents` list. What it tags as HTTP libraries and browser automation is a group of its
own here: server-side clients and headless browsers send real events. See docs/acquisition.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from crawleruseragents import CRAWLER_USER_AGENTS_DATA
from ua_parser import parse

Kind = Literal["crawler", "automation", "person"]
Device = Literal["desktop", "mobile", "tablet", "tv", "bot", "other", ""]

_MAX = 500
_STEM = 3

_AUTOMATION_TAGS = frozenset({"http-library", "browser-automation"})
#: Tags of patterns that are also the names of apps, in which people open pages: see `_in_app`.
_APP_TAGS = frozenset({"seo", "social-preview", "feed-reader"})
#: A public Android build number, listed as a scanner: real phones carry it.
_WRONG = frozenset({r"AP3A\.240617\.008"})
_PLAIN = re.compile(r"(?:[^\\.^$*+?{}\[\]|()]|\\\W)+")

#: Programs the list does not have: HTTP clients, API tools, load generators, Segment's own server libraries.
_TOOLS = re.compile(
    r"^(?:analytics-(?:python|node|ruby|go|java|php|net|rust|csharp)|segment|postman|insomnia|bruno|hoppscotch"
    r"|java/|java-http-client|jersey/|ruby|faraday|guzzlehttp|undici|node\b|deno/|bun/|dart/|python/|reqwest|rust"
    r"|powershell|k6/|apache-jmeter|vegeta|wrk|cypress|webdriver)",
    re.IGNORECASE,
)
#: A program that calls itself a robot in the way robots do, with an address, is one before a list has it.
_ROBOT = re.compile(r"(?:bot|crawler|spider)\b", re.IGNORECASE)
_CONTACT = re.compile(r"https?:|www\.|@|compatible;", re.IGNORECASE)
#: Frameworks for copying sites, tagged as HTTP libraries.
_SCRAPER = re.compile(r"bot\b|crawl|spider|scrap|httrack|larbin", re.IGNORECASE)
#: A web view: Android's, iOS's (which names no browser version), Electron's.
_WEB_VIEW = re.compile(
    r"; wv\)|\bElectron/|\((?:iPhone|iPad|iPod)[^)]*\) AppleWebKit/[\d.]+ \(KHTML, like Gecko\)(?! Version/)"
)
_NO_APP = re.compile(r"bot\b|crawl|spider|https?:|www\.|@|preview", re.IGNORECASE)

_TV = re.compile(
    r"smart-?tv|hbbtv|google ?tv|android ?tv|apple ?tv|tvos|bravia|crkey|\broku|netcast|web0s|webos\.tv|viera"
    r"|aquostv|(?-i:\bAFT[A-Z0-9]{1,6}\b)|\btv safari",
    re.IGNORECASE,
)
_CONSOLE = re.compile(r"playstation|nintendo|xbox", re.IGNORECASE)
_TABLET = re.compile(r"ipad|tablet|kindle|(?-i:\bKF[A-Z]{2,6}\b)|nexus (?:7|9|10)\b|playbook", re.IGNORECASE)
_MOBILE = re.compile(
    r"iphone|ipod|\bmobile\b|dalvik|windows phone|blackberry|kaios"
    r"|^(?:docomo|kddi-|softbank|vodafone|j-phone|willcom)|up\.browser",
    re.IGNORECASE,
)
_DESKTOP = re.compile(r"windows|mac os|linux|ubuntu|fedora|debian|chrome ?os|bsd|solaris", re.IGNORECASE)


@lru_cache(maxsize=8_192)
def kind(user_agent: str) -> Kind:
    """Who is asking. An empty user agent is a person's: privacy proxies send none."""
    agent = user_agent[:_MAX]
    if not agent:
        return "person"
    tags = _listed().tags(agent)
    if tags and tags <= _AUTOMATION_TAGS:
        return "crawler" if _SCRAPER.search(agent) else "automation"
    if tags and not (tags <= _APP_TAGS and _in_app(agent)):
        return "crawler"
    if _ROBOT.search(agent) and _CONTACT.search(agent):
        return "crawler"
    return "automation" if _TOOLS.search(agent) else "person"


def is_bot(user_agent: str) -> bool:
    """Whether this is a crawler: answered, never profiled."""
    return kind(user_agent) == "crawler"


def ignored(user_agent: str, *, ignore_automation: bool) -> bool:
    """Whether events that come under this user agent are left out of profiles."""
    asking = kind(user_agent)
    return asking == "crawler" or (ignore_automation and asking == "automation")


@lru_cache(maxsize=8_192)
def device_type(user_agent: str) -> Device:
    """The kind of device; `bot` for a crawler, `other` for an unknown one, "" without a user agent.

    An iPad that asks for desktop pages (the default since iPadOS 13) says it is a Mac, and counts as one.
    """
    agent = user_agent[:_MAX]
    if not agent:
        return ""
    if is_bot(agent):
        return "bot"
    parsed = parse(agent)
    system = parsed.os.family if parsed.os else ""
    return _device(agent, family=parsed.device.family if parsed.device else "", system=system)


def _device(agent: str, *, family: str, system: str) -> Device:
    if _TV.search(agent):
        return "tv"
    if _CONSOLE.search(agent):
        return "other"
    if _TABLET.search(agent) or _TABLET.search(family):
        return "tablet"
    if _MOBILE.search(agent):
        return "mobile"
    if system == "Android":
        return "tablet"
    return "desktop" if _DESKTOP.search(system) else "other"


def _in_app(agent: str) -> bool:
    return bool(_WEB_VIEW.search(agent)) and not _NO_APP.search(agent)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Patterns:
    """The list, made to be looked up fast: nearly all of it is plain text, found by its first three letters."""

    texts: dict[str, list[tuple[str, frozenset[str]]]]
    patterns: list[tuple[re.Pattern[str], frozenset[str]]]

    def tags(self, agent: str) -> frozenset[str]:
        found = [tags for pattern, tags in self.patterns if pattern.search(agent)]
        for at in range(len(agent) - _STEM + 1):
            for text, tags in self.texts.get(agent[at : at + _STEM], ()):
                if agent.startswith(text, at):
                    found.append(tags)
        return frozenset[str]().union(*found)


@lru_cache(maxsize=1)
def _listed() -> _Patterns:
    texts: dict[str, list[tuple[str, frozenset[str]]]] = {}
    others: dict[frozenset[str], list[str]] = {}
    for entry in CRAWLER_USER_AGENTS_DATA:
        pattern, tags = entry["pattern"], frozenset(entry.get("tags") or ("seo",))
        text = re.sub(r"\\(\W)", r"\1", pattern)
        if pattern in _WRONG:
            continue
        if _PLAIN.fullmatch(pattern) and len(text) >= _STEM:
            texts.setdefault(text[:_STEM], []).append((text, tags))
        else:
            others.setdefault(tags, []).append(pattern)
    joined = [(re.compile("|".join(patterns)), tags) for tags, patterns in others.items()]
    return _Patterns(texts=texts, patterns=joined)
