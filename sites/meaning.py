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
from personalization.plain import attribute_problem
from personalization.template_rules import nearest
from sites.alert_rules import alert_conditions, check_alert
from sites.contents import check_contents
from sites.mistakes import Mistake, Path, field_path
from sites.moments import local, moment
from sites.walk import choices, maps, variants
from sites.yaml_lines import Document

Found = Iterator[tuple[Path, str]]

#: Attributes that come from the score; points that hold while one of them is true would feed themselves.
_FROM_SCORE = frozenset({"score", "intent", "stage", "audiences", "account.score", "account.intent"})


def check_meaning(document: Document) -> list[Mistake]:
    """Every mistake of meaning, in no special order."""
    return [
        Mistake(line=document.line(path), field=field_path(path), message=message)
        for check in CHECKS
        for path, message in check(document.data)
    ] + list(check_contents(document))


def _audience_names(data: Any) -> frozenset[str]:
    audiences = data.get("audiences") if isinstance(data, dict) else None
    return frozenset(audiences if isinstance(audiences, dict) else ())


def _ids(data: Any) -> Found:
    """Ids are unique within their list."""
    lists = [list(maps(data, *keys)) for keys in (("scoring", "rules"), ("experiences",), ("alerts",))]
    lists += [
        [((*path, *inner), variant) for inner, variant in maps(choice, "variants")]
        for path, choice in choices(data)
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
    for path, rule in maps(data, "scoring", "rules"):
        on, when, idle = (rule.get(key) is not None for key in ("on", "when", "idle"))
        if not (on or when or idle):
            yield path, "needs `on` (an event), `when` (a condition) or `idle` (a silence)"
        if idle and (on or when):
            yield (*path, "idle"), "stands alone: take `on` and `when` away"
        if rule.get("once") is not None and not on:
            yield (*path, "once"), "works with `on` only"
        points = rule.get("points")
        if rule.get("max") is not None and not (on and isinstance(points, int | float) and points > 0):
            yield (*path, "max"), "works with `on` and points above 0 only"


def _goal_shapes(data: Any) -> Found:
    for path, goal in maps(data, "goals"):
        if sum(goal.get(key) is not None for key in ("on", "intent", "stage")) != 1:
            yield path, "needs exactly one of `on`, `intent` and `stage`"
        if goal.get("when") is not None and goal.get("on") is None:
            yield (*path, "when"), "works with `on` only"


def _bands(data: Any) -> Found:
    bands = data.get("scoring", {}).get("bands") if isinstance(data.get("scoring"), dict) else None
    if isinstance(bands, dict):
        warm, high = bands.get("warm", 20), bands.get("high", 50)
        if isinstance(warm, int | float) and isinstance(high, int | float) and not warm < high:
            yield ("scoring", "bands"), "warm must be less than high"


def _alert_shapes(data: Any) -> Found:
    for path, alert in maps(data, "alerts"):
        for inner, message in check_alert(alert):
            yield (*path, *inner), message


def _audiences_exist(data: Any) -> Found:
    names = _audience_names(data)
    alerts = list(maps(data, "alerts"))
    used = [((*path, key), alert.get(key)) for path, alert in alerts for key in ("enters", "leaves")]
    used += [((*path, "audience"), choice.get("audience")) for path, choice in choices(data)]
    for path, name in used:
        if isinstance(name, str) and name not in names:
            yield path, f"there is no audience `{name}`{nearest(name, names)}"


def _unreachable(data: Any) -> Found:
    """A choice after one for everyone, or after one for the same audience, is never reached."""
    for path, experience in maps(data, "experiences"):
        before: set[str | None] = set()
        for inner, choice in maps(experience, "choose"):
            audience = choice.get("audience")
            if None in before or (isinstance(audience, str) and audience in before):
                yield (*path, *inner), "is never reached: an earlier choice takes the same visitors"
            before.add(audience if isinstance(audience, str) else None)


def _variant_shapes(data: Any) -> Found:
    for path, variant in variants(data):
        if len(_kinds(variant)) != 1:
            yield path, "needs exactly one of `template`, `text`, `attr` and `redirect`"
        if variant.get("sanitize") is not None and variant.get("template") is None:
            yield (*path, "sanitize"), "works with `template` only"
        attributes = variant.get("attr")
        for name in attributes if isinstance(attributes, dict) else ():
            if problem := attribute_problem(str(name)):
                yield (*path, "attr", name), problem


def _kinds(variant: dict[str, Any]) -> list[str]:
    return [kind for kind in ("template", "text", "attr", "redirect") if variant.get(kind) is not None]


def _schedules(data: Any) -> Found:
    for path, experience in maps(data, "experiences"):
        begin, end = experience.get("from"), experience.get("until")
        if isinstance(begin, str) and isinstance(end, str) and _is_over(begin, end):
            yield (*path, "until"), "must be after `from`"


def _is_over(begin: str, end: str) -> bool:
    try:
        return local(moment(begin)) >= local(moment(end), end=True)
    except ValueError:
        return False  # the shape of one of them is wrong, which is reported


def _namespaces(data: Any) -> Found:
    for path, experience in maps(data, "experiences"):
        namespace = experience.get("namespace")
        share = namespace.get("range") if isinstance(namespace, dict) else None
        numbers = [n for n in share if isinstance(n, int | float)] if isinstance(share, list) else []
        if len(numbers) == 2 and not numbers[0] < numbers[1]:
            yield (*path, "namespace", "range"), "must go from a smaller to a larger number"


def _conditions(data: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    audiences = data.get("audiences")
    for name, condition in audiences.items() if isinstance(audiences, dict) else ():
        yield ("audiences", name), condition
    for path, rule in maps(data, "scoring", "rules"):
        yield (*path, "when"), rule.get("when")  # type: ignore[misc]  # its shape is checked below
    for path, alert in maps(data, "alerts"):
        for inner, condition in alert_conditions(alert):
            yield (*path, *inner), condition


def _condition_mistakes(data: Any) -> Found:
    for path, condition in _conditions(data):
        if not isinstance(condition, dict):
            continue
        for problem in check_condition(condition):
            yield (*path, *problem.path), problem.message
        yield from _attributes(path, condition)


def _attributes(path: Path, condition: dict[str, Any]) -> Found:
    for name in sorted(name for name in paths(condition) if not name.startswith("$")):
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
    for path, rule in maps(data, "scoring", "rules"):
        condition = rule.get("when")
        if not isinstance(condition, dict) or rule.get("on") is not None or check_condition(condition):
            continue
        for name in sorted(paths(condition) & _FROM_SCORE):
            yield (*path, "when"), f"points cannot hold while `{name}` does: it comes from the points"


CHECKS: tuple[Callable[[Any], Found], ...] = (
    _ids,
    _rule_shapes,
    _goal_shapes,
    _bands,
    _alert_shapes,
    _audiences_exist,
    _unreachable,
    _variant_shapes,
    _schedules,
    _namespaces,
    _condition_mistakes,
    _self_feeding,
)
