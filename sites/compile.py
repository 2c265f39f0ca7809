"""A checked site file -> the site as the engine runs it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from core.attributes import root_of
from core.conditions import compile_condition
from core.index import Index
from leads.model import Scoring, ScoringRule
from personalization.allocation import allocation, shares
from personalization.goals import Goal
from personalization.model import Choice, Experience, Namespace, Variant
from personalization.plain import compile_attributes, compile_redirect, compile_text
from personalization.sandbox import names
from personalization.templates import compile_template
from sites.alert_rules import compile_alert
from sites.globs import classifier
from sites.model import (
    ChoiceFile,
    ExperienceFile,
    GoalFile,
    NamespaceFile,
    RuleFile,
    ScoringFile,
    SiteFile,
    VariantFile,
)
from sites.moments import epoch_ms
from sites.site import Make, Site
from sites.walk import variants


def compile_site(
    file: SiteFile, *, revision: int, rule_versions: Mapping[str, int], make: Make = compile_condition
) -> Site:
    """Compile every condition, by `make`, and every template. A rule without an entry in `rule_versions` has
    version 1.
    """
    experiences, asks, prints = _experiences(file), _asks(file), _prints(file)
    audiences = {name: make(condition) for name, condition in file.audiences.items()}
    return Site(
        id=file.site,
        name=file.name,
        revision=revision,
        write_key=file.write_key,
        origins=frozenset(file.origins),
        timezone=file.zone,
        locale=file.locale,
        topic_of=classifier([(topic.path, topic.topic) for topic in file.topics]),
        topic_labels={t.topic: _in_locale(t.label, file.locale) for t in file.topics if t.label},
        scoring=compile_scoring(file.scoring, rule_versions, file.locale, mql=file.stages.mql, make=make),
        audiences=audiences,
        audience_index=Index((file.audiences[name], (name, matches)) for name, matches in audiences.items()),
        experiences=experiences,
        alerts=tuple(
            compile_alert(one, instruction=_in_locale(one.instruction, file.locale), make=make)
            for one in file.alerts
        ),
        goals=tuple(_goal(one, file.locale, make) for one in file.goals),
        allocations=_allocations(experiences),
        asks=asks,
        shows=None if prints is None else asks | prints,
        only_shows=None if prints is None else prints - asks,
        asks_account=_names(file.model_dump(), _OF_PEOPLE),
    )


#: The attributes that take reading what other visitors of the company do.
_OF_PEOPLE = ("account.people", "account.score", "account.intent", "account.topics")


def _asks(file: SiteFile) -> frozenset[str]:
    """What may be read: every key in whatever holds conditions, known as an attribute or not."""
    data = file.model_dump(include={"audiences", "scoring", "alerts", "goals"})
    # Alerts say which company it is, whatever their conditions.
    return frozenset(root_of(key) for key in _keys(data)) | {"account"}


def _prints(file: SiteFile) -> frozenset[str] | None:
    """What contents may read; None: any. Where a visitor is sent to is compared with the page they are on."""
    data = file.model_dump(include={"experiences"})
    found = frozenset(name for _, one in variants(data) for text in _texts(one) for name in names(text))
    return None if "visitor" in found else found | {"page"}


def _texts(variant: Mapping[str, Any]) -> Iterator[str]:
    """The sources of a variant's contents that are not the same for everybody, in whatever locale."""
    for kind in ("template", "text", "attr", "redirect"):
        rest: list[Any] = [variant.get(kind)]
        for value in rest:
            if isinstance(value, Mapping):
                rest.extend(value.values())
            elif isinstance(value, str) and "{" in value:
                yield value


def _keys(data: object) -> Iterator[str]:
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield str(key)
            yield from _keys(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _keys(value)


def _names(data: object, prefixes: tuple[str, ...]) -> bool:
    """Whether a key anywhere in `data` begins with one of `prefixes`: conditions are plain data."""
    if isinstance(data, dict):
        return any(str(key).startswith(prefixes) or _names(value, prefixes) for key, value in data.items())
    return isinstance(data, list) and any(_names(item, prefixes) for item in data)


def compile_scoring(
    file: ScoringFile,
    rule_versions: Mapping[str, int],
    locale: str,
    *,
    mql: float | None = None,
    make: Make = compile_condition,
) -> Scoring:
    """The rules, and the same rules by what makes them give points."""
    rules = tuple(_rule(rule, rule_versions.get(rule.id, 1), locale, make) for rule in file.rules)
    asking = [(one.when, rule) for one, rule in zip(file.rules, rules, strict=True)]
    names = dict.fromkeys(rule.on for rule in rules if rule.on is not None)
    return Scoring(
        rules=rules,
        half_life_ms=file.half_life,
        warm=file.bands.warm,
        high=file.bands.high,
        mql=file.bands.high if mql is None else mql,
        by_id={rule.id: rule for rule in rules},
        by_event={name: Index(pair for pair in asking if pair[1].on == name) for name in names},
        holding=Index(pair for pair in asking if pair[1].on is None and pair[1].when is not None),
        idle=tuple(rule for rule in rules if rule.idle_event is not None),
        labels={rule.id: rule.label for rule in rules if rule.label},
    )


def _rule(file: RuleFile, version: int, locale: str, make: Make) -> ScoringRule:
    return ScoringRule(
        id=file.id,
        points=file.points,
        version=version,
        label=_in_locale(file.label, locale),
        on=file.on,
        when=None if file.when is None else make(file.when),
        once=file.once,
        idle_event=file.idle.event if file.idle else None,
        idle_ms=file.idle.for_ if file.idle else 0,
        most=file.max,
    )


def _goal(file: GoalFile, locale: str, make: Make) -> Goal:
    return Goal(
        id=file.id,
        on=file.on,
        when=None if file.when is None else make(file.when),
        intent=file.intent,
        stage=file.stage,
        window_ms=file.window,
        label=_in_locale(file.label, locale),
    )


def _allocations(experiences: Iterable[Experience]) -> dict[tuple[str, str], str]:
    return {
        (one.id, choice.audience or ""): allocation(shares(one, choice))
        for one in experiences
        for choice in one.choices
    }


def _experiences(file: SiteFile) -> tuple[Experience, ...]:
    """In the order in which they are asked: by priority, then as in the file."""
    origins = frozenset((*file.origins, *file.redirects))
    ranked = sorted(file.experiences, key=lambda one: -one.priority)
    return tuple(_experience(one, file, origins) for one in ranked)


def _experience(one: ExperienceFile, file: SiteFile, origins: Collection[str]) -> Experience:
    sanitize = file.sanitize if one.sanitize is None else one.sanitize
    return Experience(
        id=one.id,
        slot=one.slot,
        choices=tuple(_choice(choice, file.locale, origins, sanitize) for choice in one.choose),
        holdout=one.holdout,
        site=file.site,
        site_holdout=file.holdout,
        starts_at=epoch_ms(one.from_, file.zone) if one.from_ else None,
        ends_at=epoch_ms(one.until, file.zone, end=True) if one.until else None,
        namespace=_namespace(one.namespace),
    )


def _namespace(file: NamespaceFile | None) -> Namespace | None:
    return None if file is None else Namespace(name=file.name, start=file.range[0], end=file.range[1])


def _choice(file: ChoiceFile, locale: str, origins: Collection[str], sanitize: bool) -> Choice:
    variants = tuple(_variant(one, locale, origins, sanitize) for one in file.variants)
    return Choice(audience=file.audience, variants=variants)


def _variant(file: VariantFile, locale: str, origins: Collection[str], sanitize: bool) -> Variant:
    if file.text is not None:
        render = compile_text(file.text, default_locale=locale)
        return Variant(id=file.id, weight=file.weight, kind="text", render=render)
    if file.attr is not None:
        attributes = compile_attributes(file.attr, default_locale=locale)
        return Variant(id=file.id, weight=file.weight, kind="attr", render=attributes)
    if file.redirect is not None:
        address = compile_redirect(file.redirect, default_locale=locale, origins=origins)
        return Variant(id=file.id, weight=file.weight, kind="redirect", render=address)
    sanitize = sanitize if file.sanitize is None else file.sanitize
    html = compile_template(file.template or "", default_locale=locale, sanitize=sanitize)
    return Variant(id=file.id, weight=file.weight, render=html)


def _in_locale(text: str | dict[str, str] | None, locale: str) -> str:
    if isinstance(text, dict):
        return text.get(locale) or next(iter(text.values()))
    return text or ""
