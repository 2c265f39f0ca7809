"""The site file's shape. What fields mean together is checked in `sites.meaning`, so that one wrong field
never hides another mistake.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from personalization.plain import MAX_ATTRIBUTES
from sites.alert_values import OneOrMore, SlackId, TimeOfDay, Weekdays
from sites.values import (
    Channel,
    Condition,
    Duration,
    Glob,
    Id,
    Line,
    Localized,
    Moment,
    Number,
    Origin,
    Share,
    Timezone,
    WriteKey,
)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _left_empty(cls, data: Any) -> Any:
        """A field left empty (`alerts:` with everything below commented out) is as if it were not there."""
        known = {field.alias or name for name, field in cls.model_fields.items()}
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in known}


class TopicFile(_Model):
    """Pages whose path matches `path` (`*`: any characters) are about `topic`."""

    path: Glob
    topic: Id
    label: Localized | None = None


class IdleFile(_Model):
    """A silence: no `event` for this long (ms)."""

    event: Line
    for_: Annotated[Duration, Field(alias="for")]


class RuleFile(_Model):
    """A scoring rule: `on` (with an optional `when`), `when` alone, or `idle`."""

    id: Id
    points: Number
    label: Localized | None = None
    on: Line | None = None
    when: Condition | None = None
    once: Literal["session", "visitor", "day"] | None = None
    idle: IdleFile | None = None
    max: Annotated[Number, Field(gt=0)] | None = None


class BandsFile(_Model):
    """The scores at which intent becomes `warm` and `high`."""

    warm: Number = 20
    high: Number = 50


class ScoringFile(_Model):
    """How the score comes about. `half_life` in ms; without it points never fade."""

    preset: Literal["textbook", "few-signals"] | None = None
    half_life: Duration | None = None
    bands: BandsFile = BandsFile()
    rules: Annotated[list[RuleFile], Field(max_length=1000)] = []


class VariantFile(_Model):
    """One alternative: exactly one of `template` (HTML), `text`, `attr` and `redirect`. Weights are relative to
    the other variants of the choice. `sanitize` left out: as the experience does.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [kind]} for kind in ("template", "text", "attr", "redirect")]
        }
    )

    id: Id
    weight: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] = 1
    template: Localized | None = None
    text: Localized | None = None
    attr: Annotated[dict[str, Localized], Field(min_length=1, max_length=MAX_ATTRIBUTES)] | None = None
    redirect: Localized | None = None
    sanitize: bool | None = None


class ChoiceFile(_Model):
    """The variants for one audience; without `audience`, for everyone."""

    audience: Id | None = None
    variants: Annotated[list[VariantFile], Field(min_length=1, max_length=50)]


class NamespaceFile(_Model):
    """The share of visitors an experience has: from the first number to below the second."""

    name: Id
    range: Annotated[list[Share], Field(min_length=2, max_length=2)]


class ExperienceFile(_Model):
    """A slot, and who sees what in it. The first choice whose audience matches wins. Of several experiences for
    one slot the highest `priority` goes first, else the order of the file. `sanitize` left out: as the site does.
    """

    id: Id
    slot: Id
    holdout: Share = 0.0
    from_: Annotated[Moment | None, Field(alias="from")] = None
    until: Moment | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    namespace: NamespaceFile | None = None
    sanitize: bool | None = None
    choose: Annotated[list[ChoiceFile], Field(min_length=1, max_length=50)]


class RouteFile(_Model):
    """Where the alerts go of those `when` holds for. Without `when`: of all others."""

    when: Condition | None = None
    channel: Channel | None = None
    owner: SlackId | None = None


class QuietFile(_Model):
    """Hours on which alerts wait, minutes after midnight. `days` are those on which they begin."""

    from_: Annotated[TimeOfDay, Field(alias="from")]
    to: TimeOfDay
    days: Weekdays = [0, 1, 2, 3, 4, 5, 6]
    timezone: Timezone | None = None


class EscalateFile(_Model):
    """Whom to tell when nobody has claimed an alert `after` so long (ms)."""

    after: Duration
    channel: Channel | None = None
    mention: SlackId | None = None


class AlertFile(_Model):
    """When to tell sales: `on` an event, when a visitor `enters` or `leaves` an audience, or when a condition
    `becomes` true.
    """

    id: Id
    channel: Channel | None = None
    owner: SlackId | None = None
    route: Annotated[list[RouteFile], Field(max_length=100)] = []
    on: Line | None = None
    enters: Id | None = None
    leaves: Id | None = None
    becomes: Condition | None = None
    when: Condition | None = None
    cooldown: Annotated[Duration, Field(json_schema_extra={"default": "30m"})] = 1_800_000
    instruction: Localized | None = None
    episode: Annotated[Duration, Field(json_schema_extra={"default": "12h"})] = 43_200_000
    urgent: bool = False
    holdout: Share = 0.0
    quiet: Annotated[list[QuietFile], OneOrMore, Field(max_length=20)] = []
    escalate: EscalateFile | None = None


class GoalFile(_Model):
    """Something visitors are to do: an event (`on`, perhaps with `when`), an `intent` or a `stage` to reach. An
    experience gets credit for `window` (ms) after the visitor first met it.
    """

    id: Id
    label: Localized | None = None
    on: Line | None = None
    when: Condition | None = None
    intent: Literal["warm", "high"] | None = None
    stage: Literal["lead", "mql"] | None = None
    window: Annotated[Duration, Field(json_schema_extra={"default": "7d"})] = 7 * 86_400_000


#: What is measured where a site names no goals.
DEFAULT_GOALS = [
    GoalFile(id="lead", stage="lead", label={"ja": "リード獲得", "en": "became a lead"}),
    GoalFile(id="hot", intent="high", label={"ja": "購買意欲が高い", "en": "became hot"}),
    GoalFile(id="mql", stage="mql", label={"ja": "MQL", "en": "became an MQL"}),
]


class StagesFile(_Model):
    """The score at which a lead becomes an MQL; left out, where intent becomes `high`."""

    mql: Number | None = None


class SiteFile(_Model):
    """One site file. `sanitize` takes out of every template's HTML what could run or break the page."""

    site: Id
    name: Line
    write_key: WriteKey
    origins: Annotated[list[Origin], Field(min_length=1, max_length=100)]
    timezone: Timezone = "UTC"
    locale: Literal["ja", "en"] = "en"
    topics: Annotated[list[TopicFile], Field(max_length=1000)] = []
    scoring: ScoringFile = ScoringFile()
    stages: StagesFile = StagesFile()
    goals: Annotated[list[GoalFile], Field(max_length=20)] = DEFAULT_GOALS
    audiences: Annotated[dict[Id, Condition], Field(max_length=500)] = {}
    holdout: Share = 0.0
    redirects: Annotated[list[Origin], Field(max_length=100)] = []
    sanitize: bool = False
    experiences: Annotated[list[ExperienceFile], Field(max_length=500)] = []
    alerts: Annotated[list[AlertFile], Field(max_length=500)] = []

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.timezone)
