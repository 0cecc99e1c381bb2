"""Bodies of the alarms' routes."""

from typing import Annotated

from pydantic import Field

from penstock.core.alarm import AlarmState, Comparison
from penstock.platform.kit.schemas import INT64_MAX, AssetRef, Input, Name, Output, PropertyName, Prose, Rfc3339, TagId

LIMIT_MAX = 1e300
Limit = Annotated[float, Field(ge=-LIMIT_MAX, le=LIMIT_MAX, allow_inf_nan=False)]
Deadband = Annotated[float, Field(ge=0, le=LIMIT_MAX, allow_inf_nan=False)]
OnDelay = Annotated[float, Field(ge=0, le=7 * 24 * 3600, allow_inf_nan=False, description="of event time")]
Severity = Annotated[int, Field(ge=1, le=1000)]


class RuleInput(Input):
    """A limit rule on a tag, or on whatever tag feeds a property of an asset (id or path)."""

    name: Name
    asset: AssetRef | None = None
    property: PropertyName | None = None
    tag: TagId | None = None
    comparison: Comparison
    limit: Limit
    deadband: Deadband = 0.0
    on_delay_s: OnDelay = 0.0
    severity: Severity = 500
    message: Prose = ""
    enabled: bool = True


class RuleChange(Input):
    """What shall be different; a new version of the rule."""

    name: Name | None = None
    comparison: Comparison | None = None
    limit: Limit | None = None
    deadband: Deadband | None = None
    on_delay_s: OnDelay | None = None
    severity: Severity | None = None
    message: Prose | None = None
    enabled: bool | None = None


class RuleOutput(Output):
    """A rule at its newest version; `tag` is what it watches now, null while nothing feeds the property."""

    id: str = Field(max_length=40)
    name: str = Field(max_length=256)
    version: int = Field(ge=1, le=INT64_MAX)
    enabled: bool
    asset: str | None = Field(max_length=40)
    property: str | None = Field(max_length=256)
    tag: int | None = Field(ge=1, le=INT64_MAX)
    comparison: Comparison
    limit: float
    deadband: float
    on_delay_s: float
    severity: int = Field(ge=1, le=1000)
    message: str = Field(max_length=2000)
    changed: Rfc3339
    changed_by: str = Field(max_length=256)


class AlarmOutput(Output):
    """One round of a rule from normal to normal; times are event time, but the acknowledgement's.

    `raised` is when the round began, `activated` when it became active last: later where it cleared and came again
    before somebody acknowledged it. The journal has each time. Where `rule` is null the platform raised it of itself:
    no tag and no limit, the message says what is wrong.
    """

    id: str = Field(max_length=40)
    rule: str | None = Field(max_length=40)
    rule_name: str = Field(max_length=256)
    rule_version: int | None = Field(ge=1, le=INT64_MAX)
    asset: str | None = Field(max_length=40)
    tag: int | None = Field(ge=1, le=INT64_MAX)
    state: AlarmState
    raised: Rfc3339
    activated: Rfc3339
    acknowledged: Rfc3339 | None
    acknowledged_by: str | None = Field(max_length=256)
    cleared: Rfc3339 | None
    value: float | None
    limit: float | None
    severity: int = Field(ge=1, le=1000)
    message: str = Field(max_length=2000)


class AcknowledgeInput(Input):
    """Why, or what was done."""

    comment: Prose = ""


class AlarmRecordOutput(Output):
    """One line of an alarm's journal."""

    number: int = Field(ge=1, le=INT64_MAX)
    event: str = Field(max_length=30)
    before: AlarmState
    after: AlarmState
    time: Rfc3339
    recorded: Rfc3339
    position: int = Field(ge=0, le=INT64_MAX)
    value: float | None
    who: str | None = Field(max_length=40)
    who_name: str | None = Field(max_length=256)
    comment: str = Field(max_length=2000)
