"""The docs say what the code does: metrics, keys, routes, links between pages."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import snippet
from server.app import make_app
from server.config import from_env
from server.metrics import Metrics
from storage import keys

ROOT = Path(__file__).parent.parent.parent
DOCS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def test_every_metric_is_documented() -> None:
    text = (ROOT / "docs/metrics.md").read_text()
    families = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in Metrics().registry.collect()
    }
    documented = set(re.findall(r"^\| `(kizashi_\w+)`", text, re.MULTILINE))
    assert documented == families


def test_every_key_is_documented() -> None:
    text = (ROOT / "docs/store.md").read_text()
    documented = set(re.findall(r"^\| `(kz:[^`]+)`", text, re.MULTILINE))
    constants = {value for name, value in vars(keys).items() if name.isupper()}
    made = set()
    for _, function in inspect.getmembers(keys, inspect.isfunction):
        names = {name: f"{{{name}}}" for name in inspect.signature(function).parameters}
        made.add(function(**names).replace("{alert_id}", "{id}"))
    assert documented == constants | made


def test_every_api_route_is_documented(tmp_path: Path) -> None:
    text = (ROOT / "docs/http.md").read_text()
    settings = from_env({"KIZASHI_DATA_DIR": str(tmp_path)})
    app = make_app(settings)
    for resource in app.router.resources():
        path = resource.canonical.replace(snippet.version(), "<version>")
        if path.startswith(("/demo", "/static")) or "{tail" in path or path.endswith("/events"):
            continue
        assert f"{path}" in text, path


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target
