"""docs/settings.md says what the model says, in the same order."""

from __future__ import annotations

import re
from pathlib import Path

from server.config import variables

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `([A-Z_]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def test_every_setting_is_documented_with_its_default_and_what_it_allows() -> None:
    documented = [row[:3] for row in ROW.findall((ROOT / "docs/settings.md").read_text(encoding="utf-8"))]
    assert documented == [(env.name, env.default, env.allowed) for env in variables().values()]
