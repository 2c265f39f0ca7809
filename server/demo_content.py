"""The demo's words in every language, and which language a request wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

LANGS = ("ja", "en")


@dataclass(frozen=True, kw_only=True)
class Content:
    """`texts[lang]` is one language's tree of words; `bands` the score at which `warm` and `high` begin."""

    texts: Mapping[str, Mapping[str, Any]]
    bands: Mapping[str, float]


def load_content(root: Path) -> Content:
    """Read `content/<lang>.yaml` and the bands of `site.yaml` under `root`; OSError where one is missing."""
    texts = {lang: _yaml(root / "content" / f"{lang}.yaml") for lang in LANGS}
    return Content(texts=texts, bands=_yaml(root / "site.yaml")["scoring"]["bands"])


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def language(request: web.Request) -> str:
    """`?lang=`, else the cookie `demo_lang`, else the browser's first choice of ours, else Japanese."""
    for asked in (request.query.get("lang"), request.cookies.get("demo_lang")):
        if asked in LANGS:
            return asked
    return _accepted(request.headers.get("Accept-Language", ""))


def _accepted(header: str) -> str:
    best, best_q = LANGS[0], 0.0
    for item in header.split(","):
        tag, _, quality = item.strip().partition(";q=")
        lang = tag.strip().lower().split("-")[0]
        q = _quality(quality)
        if lang in LANGS and q > best_q:
            best, best_q = lang, q
    return best


def _quality(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
