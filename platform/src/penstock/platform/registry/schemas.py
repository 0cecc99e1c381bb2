"""Bodies of the registry's routes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from penstock.core.failure_modes import (
    MODE_MAX_CHARS,
    MODE_PATTERN,
    MODES_MAX,
    PART_MAX_CHARS,
    PROSE_MAX_CHARS,
    SIGNS_MAX,
    NOTICE_MAX_h,
    SignDirection,
)
from penstock.core.plant import SIGNAL_OF_OTHERS, PropertyKind, Signal
from penstock.core.values import ValueType
from penstock.platform.kit.schemas import (
    INT64_MAX,
    PRINTABLE,
    AssetRef,
    Input,
    IsaText,
    Line,
    Name,
    Output,
    PropertyName,
    Prose,
    Rfc3339,
    Scalar,
    Slug,
    TagId,
)

DECLARED_MAX = 1000
"""Tags declared at once: what an app writes of a large machine; the store is locked for some 0.1 s meanwhile."""

Unit = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Attributes = Annotated[dict[PropertyName, Scalar | None], Field(max_length=500)]


class PropertySpecBody(Input):
    """A property of an asset type. The expression of a transform is stored; it is not evaluated yet.

    signal: what gives a measurement: a sensor, a demand (setpoint, command), or a controller that computes it.
    """

    kind: PropertyKind
    type: ValueType = ValueType.FLOAT64
    unit: Unit = ""
    signal: Signal = Signal.SENSOR
    description: Prose = ""
    default: Scalar | None = None
    expression: Line | None = None

    @model_validator(mode="after")
    def _signal_of_measurements(self) -> PropertySpecBody:
        if "signal" in self.model_fields_set and self.kind is not PropertyKind.MEASUREMENT:
            raise ValueError(SIGNAL_OF_OTHERS)
        return self


ModeName = Annotated[str, StringConstraints(max_length=MODE_MAX_CHARS, pattern=MODE_PATTERN)]


class FailureModeBody(Input):
    """A way in which machines of the type fail; `signs`: property to direction, the most telling first."""

    part: Annotated[str, StringConstraints(min_length=1, max_length=PART_MAX_CHARS, pattern=PRINTABLE)]
    description: Annotated[Prose, StringConstraints(max_length=PROSE_MAX_CHARS)] = ""
    signs: Annotated[dict[PropertyName, SignDirection], Field(min_length=1, max_length=SIGNS_MAX)]
    action: Annotated[Prose, StringConstraints(max_length=PROSE_MAX_CHARS)] = ""
    notice_h: float | None = Field(None, gt=0, le=NOTICE_MAX_h, description="from order of a repair to done")


class AssetTypeInput(Input):
    """A revision of an asset type; immutable once it is there."""

    name: Slug
    revision: int = Field(1, ge=1, le=1_000_000)
    description: Prose = ""
    properties: dict[PropertyName, PropertySpecBody] = Field(max_length=500)
    failure_modes: dict[ModeName, FailureModeBody] = Field(default_factory=dict, max_length=MODES_MAX)


class FailureModeOutput(Output):
    """A way in which machines of the type fail; `signs` in order, the most telling first."""

    part: str = Field(max_length=PART_MAX_CHARS)
    description: str = Field("", max_length=PROSE_MAX_CHARS)
    signs: dict[str, SignDirection] = Field(max_length=SIGNS_MAX)
    action: str = Field("", max_length=PROSE_MAX_CHARS)
    notice_h: float | None = Field(None, gt=0, le=NOTICE_MAX_h)


class AssetTypeOutput(Output):
    """A revision of an asset type."""

    name: str = Field(max_length=63)
    revision: int = Field(ge=1, le=1_000_000)
    description: str = Field(max_length=4096)
    properties: dict[str, dict[str, Any]]
    failure_modes: dict[str, FailureModeOutput] = Field(max_length=MODES_MAX)
    created: Rfc3339


class AssetInput(Input):
    """A new asset."""

    path: IsaText
    name: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    description: Prose = ""
    type: Slug | None = None
    attributes: Attributes = Field(default_factory=dict)


class AssetChange(Input):
    """What shall be different; `bind` maps a property to a tag's id, or to null."""

    name: Name | None = None
    description: Prose | None = None
    type: Slug | None = None
    attributes: Attributes | None = None
    bind: Annotated[dict[PropertyName, TagId | None], Field(max_length=500)] | None = None


class PropertyOutput(Output):
    """A property: an attribute has a value, a measurement or metric a tag, a transform an expression."""

    name: str = Field(max_length=128)
    kind: PropertyKind
    type: ValueType
    unit: str | None = Field(max_length=64)
    tag: int | None = Field(None, ge=1, le=INT64_MAX)
    value: float | int | bool | str | None = None
    expression: str | None = Field(None, max_length=1024)


class AssetOutput(Output):
    """An asset with its properties."""

    id: str = Field(max_length=40)
    path: str = Field(max_length=512)
    name: str = Field(max_length=256)
    description: str = Field(max_length=4096)
    type: str | None = Field(max_length=63)
    type_revision: int | None = Field(ge=1, le=1_000_000)
    parent: str | None = Field(max_length=512)
    origin: str = Field(max_length=10, description="who has the say: plant (plant.yaml), device (its file), api")
    properties: list[PropertyOutput] = Field(max_length=10_000)


class TreeNode(Output):
    """A path of the hierarchy, with what is below."""

    path: str = Field(max_length=512)
    name: str = Field(max_length=256)
    asset: str | None = Field(max_length=40)
    children: list[TreeNode] = Field(max_length=100_000)


class Tree(Output):
    """The hierarchy, roots first."""

    items: list[TreeNode] = Field(max_length=1000)


class TagInput(Input):
    """A computed tag; the caller's client will own it."""

    asset: AssetRef
    property: PropertyName
    type: ValueType = ValueType.FLOAT64
    unit: Unit | None = None
    description: Prose = ""


class TagsInput(Input):
    """Computed tags to declare at once."""

    items: Annotated[list[TagInput], Field(min_length=1, max_length=DECLARED_MAX)]


class TagChange(Input):
    """What shall be different of a computed tag."""

    description: Prose


class TagOutput(Output):
    """One time series."""

    id: int = Field(ge=1, le=INT64_MAX)
    key: str = Field(max_length=900)
    name: str = Field(max_length=256)
    path: str | None = Field(max_length=512, description="of its asset")
    type: ValueType
    unit: str | None = Field(max_length=64)
    description: str = Field(max_length=4096)
    asset: str | None = Field(max_length=40)
    property: str | None = Field(max_length=128)
    owner: str = Field(max_length=40, description="gateway or client that may write it")
    gateway: str | None = Field(max_length=40)
    device: str | None = Field(max_length=128)
    active: bool = Field(description="false: its type or unit changed, a newer tag stands under the key")
    rate_hz: float | None = Field(ge=0, le=1e9)
    late_after_ns: int | None = Field(ge=0, le=INT64_MAX)


class TagsOutput(Output):
    """The declared tags, in the order of the items."""

    items: list[TagOutput] = Field(max_length=DECLARED_MAX)
    created: int = Field(ge=0, le=DECLARED_MAX, description="how many of them are new")


class PlantError(Output):
    """What is wrong in the plant folder, and where."""

    file: str = Field(max_length=500)
    line: int | None = Field(ge=1, le=10_000_000)
    key: str = Field(max_length=1000)
    message: str = Field(max_length=2000)


class PlantStatusOutput(Output):
    """How the plant folder was read last."""

    followed: bool
    read: Rfc3339 | None
    types: int = Field(ge=0, le=1_000_000)
    assets: int = Field(ge=0, le=1_000_000)
    errors: list[PlantError] = Field(max_length=1000)
