"""A checked site file -> the site as the engine runs it."""

from __future__ import annotations

from collections.abc import Mapping

from alerts.model import AlertRule
from core.conditions import compile_condition
from leads.model import Scoring, ScoringRule
from personalization.model import Choice, Experience, Variant
from personalization.templates import compile_template
from sites.globs import classifier
from sites.model import AlertFile, ChoiceFile, ExperienceFile, RuleFile, ScoringFile, SiteFile
from sites.site import Matcher, Site


def compile_site(file: SiteFile, *, revision: int, rule_versions: Mapping[str, int]) -> Site:
    """Compile every condition and template. A rule without an entry in `rule_versions` has version 1."""
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
        scoring=compile_scoring(file.scoring, rule_versions, file.locale),
        audiences={name: compile_condition(condition) for name, condition in file.audiences.items()},
        experiences=tuple(_experience(one, file.locale) for one in file.experiences),
        alerts=tuple(_alert(one, file.locale) for one in file.alerts),
    )


def compile_scoring(file: ScoringFile, rule_versions: Mapping[str, int], locale: str) -> Scoring:
    """The rules, and the same rules by what makes them give points."""
    rules = tuple(_rule(rule, rule_versions.get(rule.id, 1), locale) for rule in file.rules)
    names = dict.fromkeys(rule.on for rule in rules if rule.on is not None)
    return Scoring(
        rules=rules,
        half_life_ms=file.half_life,
        warm=file.bands.warm,
        high=file.bands.high,
        by_event={name: tuple(rule for rule in rules if rule.on == name) for name in names},
        holding=tuple(rule for rule in rules if rule.on is None and rule.when is not None),
        idle=tuple(rule for rule in rules if rule.idle_event is not None),
        labels={rule.id: rule.label for rule in rules if rule.label},
    )


def _rule(file: RuleFile, version: int, locale: str) -> ScoringRule:
    return ScoringRule(
        id=file.id,
        points=file.points,
        version=version,
        label=_in_locale(file.label, locale),
        on=file.on,
        when=_matcher(file.when),
        once=file.once,
        idle_event=file.idle.event if file.idle else None,
        idle_ms=file.idle.for_ if file.idle else 0,
    )


def _matcher(condition: dict[str, object] | None) -> Matcher | None:
    return None if condition is None else compile_condition(condition)


def _experience(file: ExperienceFile, locale: str) -> Experience:
    choices = tuple(_choice(choice, locale) for choice in file.choose)
    return Experience(id=file.id, slot=file.slot, choices=choices, holdout=file.holdout)


def _choice(file: ChoiceFile, locale: str) -> Choice:
    variants = tuple(
        Variant(id=one.id, weight=one.weight, render=compile_template(one.template, default_locale=locale))
        for one in file.variants
    )
    return Choice(audience=file.audience, variants=variants)


def _alert(file: AlertFile, locale: str) -> AlertRule:
    return AlertRule(
        id=file.id,
        channel=file.channel,
        on=file.on,
        enters=file.enters,
        leaves=file.leaves,
        when=_matcher(file.when),
        cooldown_ms=file.cooldown,
        instruction=_in_locale(file.instruction, locale),
    )


def _in_locale(text: str | dict[str, str] | None, locale: str) -> str:
    if isinstance(text, dict):
        return text.get(locale) or next(iter(text.values()))
    return text or ""
