"""What a site file's fields mean together: names that must exist, conditions, templates, rules' shapes.

Every check reads the raw data and skips what has the wrong shape (`sites.shape` reports that), so all
mistakes come out at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from core.attributes import known, suggest
from core.conditions import check_condition, paths
from personalization.template_rules import TemplateError, nearest
from personalization.templates import compile_template
from sites.mistakes import Mistake, Path, field_path
from sites.yaml_lines import Document

Found = Iterator[tuple[Path, str]]

#: Attributes that come from the score; points that hold while one of them is true would feed themselves.
_FROM_SCORE = frozenset({"score", "intent", "audiences"})


def check_meaning(document: Document) -> list[Mistake]:
    """Every mistake of meaning, in no special order."""
    return [
        Mistake(line=document.line(path), field=field_path(path), message=message)
        for check in CHECKS
        for path, message in check(document.data)
    ] + list(_templates(document))


def _maps(data: Any, *keys: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The mappings in the list at `keys`, each with its path."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    for index, item in enumerate(data if isinstance(data, list) else []):
        if isinstance(item, dict):
            yield (*keys, index), item


def _choices(data: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path, experience in _maps(data, "experiences"):
        for (_, index), choice in _maps(experience, "choose"):
            yield (*path, "choose", index), choice


def _audience_names(data: Any) -> frozenset[str]:
    audiences = data.get("audiences") if isinstance(data, dict) else None
    return frozenset(audiences if isinstance(audiences, dict) else ())


def _ids(data: Any) -> Found:
    """Ids are unique within their list."""
    lists = [list(_maps(data, *keys)) for keys in (("scoring", "rules"), ("experiences",), ("alerts",))]
    lists += [
        [((*path, *inner), variant) for inner, variant in _maps(choice, "variants")]
        for path, choice in _choices(data)
    ]
    for members in lists:
        seen: Counter[str] = Counter()
        for path, member in members:
            name = member.get("id")
            if isinstance(name, str):
                seen[name] += 1
                if seen[name] == 2:
                    yield (*path, "id"), f"the id `{name}` is used twice"


def _rule_shapes(data: Any) -> Found:
    for path, rule in _maps(data, "scoring", "rules"):
        on, when, idle = (rule.get(key) is not None for key in ("on", "when", "idle"))
        if not (on or when or idle):
            yield path, "needs `on` (an event), `when` (a condition) or `idle` (a silence)"
        if idle and (on or when):
            yield (*path, "idle"), "stands alone: take `on` and `when` away"
        if rule.get("once") is not None and not on:
            yield (*path, "once"), "works with `on` only"


def _bands(data: Any) -> Found:
    bands = data.get("scoring", {}).get("bands") if isinstance(data.get("scoring"), dict) else None
    if isinstance(bands, dict):
        warm, high = bands.get("warm", 20), bands.get("high", 50)
        if isinstance(warm, int | float) and isinstance(high, int | float) and not warm < high:
            yield ("scoring", "bands"), "warm must be less than high"


def _alert_shapes(data: Any) -> Found:
    for path, alert in _maps(data, "alerts"):
        given = [key for key in ("on", "enters", "leaves") if alert.get(key) is not None]
        if len(given) != 1:
            yield path, "needs exactly one of `on`, `enters` and `leaves`"


def _audiences_exist(data: Any) -> Found:
    names = _audience_names(data)
    alerts = list(_maps(data, "alerts"))
    used = [((*path, key), alert.get(key)) for path, alert in alerts for key in ("enters", "leaves")]
    used += [((*path, "audience"), choice.get("audience")) for path, choice in _choices(data)]
    for path, name in used:
        if isinstance(name, str) and name not in names:
            yield path, f"there is no audience `{name}`{nearest(name, names)}"


def _unreachable(data: Any) -> Found:
    """A choice after one for everyone, or after one for the same audience, is never reached."""
    for path, experience in _maps(data, "experiences"):
        before: set[str | None] = set()
        for inner, choice in _maps(experience, "choose"):
            audience = choice.get("audience")
            if None in before or (isinstance(audience, str) and audience in before):
                yield (*path, *inner), "is never reached: an earlier choice takes the same visitors"
            before.add(audience if isinstance(audience, str) else None)


def _conditions(data: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    audiences = data.get("audiences")
    for name, condition in audiences.items() if isinstance(audiences, dict) else ():
        yield ("audiences", name), condition
    for keys in (("scoring", "rules"), ("alerts",)):
        for path, member in _maps(data, *keys):
            yield (*path, "when"), member.get("when")  # type: ignore[misc]  # its shape is checked below


def _condition_mistakes(data: Any) -> Found:
    for path, condition in _conditions(data):
        if not isinstance(condition, dict):
            continue
        problems = check_condition(condition)
        for problem in problems:
            yield (*path, *problem.path), problem.message
        if not problems:
            yield from _attributes(path, condition)


def _attributes(path: Path, condition: dict[str, Any]) -> Found:
    for name in sorted(paths(condition)):
        at = (*path, *_find(condition, name))
        if not known(name):
            better = suggest(name)
            yield at, f"there is no attribute `{name}`" + (f"; did you mean `{better}`?" if better else "")
        elif path[0] == "audiences" and name.split(".")[0] == "audiences":
            yield at, "an audience cannot depend on `audiences`"


def _find(condition: Any, name: str) -> Path:
    """Where in a condition the attribute `name` is used."""
    entries = condition.items() if isinstance(condition, dict) else enumerate(condition)
    for key, value in entries:
        if key == name:
            return (key,)
        if isinstance(value, dict | list):
            rest = _find(value, name)
            if rest:
                return (key, *rest)
    return ()


def _self_feeding(data: Any) -> Found:
    for path, rule in _maps(data, "scoring", "rules"):
        condition = rule.get("when")
        if not isinstance(condition, dict) or rule.get("on") is not None or check_condition(condition):
            continue
        for name in sorted(paths(condition) & _FROM_SCORE):
            yield (*path, "when"), f"points cannot hold while `{name}` does: it comes from the points"


CHECKS: tuple[Callable[[Any], Found], ...] = (
    _ids,
    _rule_shapes,
    _bands,
    _alert_shapes,
    _audiences_exist,
    _unreachable,
    _condition_mistakes,
    _self_feeding,
)


def _templates(document: Document) -> Iterator[Mistake]:
    for path, choice in _choices(document.data):
        for inner, variant in _maps(choice, "variants"):
            yield from _template(document, (*path, *inner, "template"), variant.get("template"))


def _template(document: Document, path: Path, source: Any) -> Iterator[Mistake]:
    if isinstance(source, dict):
        for locale, text in source.items():
            yield from _template(document, (*path, locale), text)
    elif isinstance(source, str):
        try:
            compile_template(source, default_locale="en")
        except TemplateError as error:
            line = document.text_line(path, error.line)
            yield Mistake(line=line, field=field_path(path), message=str(error))
