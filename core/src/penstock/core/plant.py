"""The plant file and asset types: hierarchy, assets, what each asset binds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, PrivateAttr

from penstock.core.address import IsaPath
from penstock.core.config_file import (
    NOWHERE,
    FileModel,
    Origin,
    Path,
    Scalar,
    combined,
    read_yaml,
    suggestion,
    validate,
)
from penstock.core.device_file import DeviceFile
from penstock.core.errors import ConfigError
from penstock.core.failure_modes import FailureModes, sign_findings
from penstock.core.units import UNIT_MAX_CHARS
from penstock.core.values import ValueType

NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
PROPERTY_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
TAG_KEY_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"
SIGNAL_OF_OTHERS: Final = "only a measurement has a signal: sensor, demand or computed"


def _isa(text: str) -> str:
    return str(IsaPath.parse(text))


IsaText = Annotated[str, AfterValidator(_isa)]
PropertyName = Annotated[str, Field(pattern=PROPERTY_PATTERN)]


class PropertyKind(StrEnum):
    """Name where a property's value comes from: written by hand, measured, computed from others, written by an app."""

    ATTRIBUTE = "attribute"
    MEASUREMENT = "measurement"
    TRANSFORM = "transform"
    METRIC = "metric"


class Signal(StrEnum):
    """Name what gives a measurement: a sensor, a setpoint or command of the controller, or its sum of other readings.

    What is asked for or computed has no sensor of its own that could break.
    """

    SENSOR = "sensor"
    DEMAND = "demand"
    COMPUTED = "computed"


class PropertySpec(FileModel):
    """Describe one property of an asset type."""

    kind: PropertyKind
    type: ValueType
    unit: str = Field(default="", max_length=UNIT_MAX_CHARS)
    signal: Signal = Field(default=Signal.SENSOR, description="measurements only: what gives them")
    description: str = Field(default="", max_length=1024)
    default: Scalar | None = Field(default=None, description="attributes only")
    expression: str | None = Field(default=None, max_length=1024, description="transforms only")


class AssetTypeFile(FileModel):
    """Describe an asset type: immutable once published, a change is a new revision."""

    version: Literal[1]
    type: str = Field(pattern=NAME_PATTERN)
    revision: int = Field(ge=1)
    description: str = Field(default="", max_length=4096)
    properties: dict[PropertyName, PropertySpec] = Field(default_factory=dict, max_length=10_000)
    failure_modes: FailureModes = Field(default_factory=dict)

    _origin: Origin = PrivateAttr(default=NOWHERE)

    @property
    def hash(self) -> str:
        """Give the SHA-256 of the file's text, hex."""
        return self._origin.sha256

    @property
    def file(self) -> str:
        """Give the name of the file that was parsed."""
        return self._origin.file

    def error(self, message: str, *path: str | int) -> ConfigError:
        """Make an error at a key of this file."""
        return self._origin.error(message, path)


class AssetSpec(FileModel):
    """Describe one asset: its type, the values of its attributes, and the tag behind each measurement."""

    name: str = Field(default="", max_length=256)
    description: str = Field(default="", max_length=4096)
    type: str | None = Field(default=None, pattern=NAME_PATTERN)
    attributes: dict[PropertyName, Scalar] = Field(default_factory=dict)
    bind: dict[PropertyName, Annotated[str, Field(pattern=TAG_KEY_PATTERN)]] = Field(
        default_factory=dict, description="property → tag key (device/tag), of any device"
    )


class PlantFile(FileModel):
    """Describe the hierarchy and the assets of a plant."""

    version: Literal[1]
    enterprise: str = Field(pattern=NAME_PATTERN)
    hierarchy: dict[IsaText, str] = Field(default_factory=dict, description="path → display name")
    assets: dict[IsaText, AssetSpec] = Field(default_factory=dict)

    _origin: Origin = PrivateAttr(default=NOWHERE)

    @property
    def hash(self) -> str:
        """Give the SHA-256 of the file's text, hex."""
        return self._origin.sha256

    @property
    def file(self) -> str:
        """Give the name of the file that was parsed."""
        return self._origin.file

    def error(self, message: str, *path: str | int) -> ConfigError:
        """Make an error at a key of this file."""
        return self._origin.error(message, path)


def parse_plant_file(text: str, *, file: str, environ: Mapping[str, str]) -> PlantFile:
    """Read plant.yaml; ConfigError with file, line and key."""
    values, origin = read_yaml(text, file=file, environ=environ)
    plant = validate(PlantFile, values, origin)
    plant._origin = origin
    outside = [
        plant.error(f"path must begin with the enterprise, {plant.enterprise!r}", section, path)
        for section, paths in (("hierarchy", plant.hierarchy), ("assets", plant.assets))
        for path in paths
        if IsaPath.parse(path).parts[0] != plant.enterprise
    ]
    if outside:
        raise combined(outside)
    return plant


def parse_asset_type(text: str, *, file: str, environ: Mapping[str, str]) -> AssetTypeFile:
    """Read an asset type; ConfigError with file, line and key."""
    values, origin = read_yaml(text, file=file, environ=environ)
    asset_type = validate(AssetTypeFile, values, origin)
    asset_type._origin = origin
    found = [origin.error(message, path) for message, path in _type_findings(asset_type)]
    if found:
        raise combined(found)
    return asset_type


def _type_findings(asset_type: AssetTypeFile) -> Iterator[tuple[str, Path]]:
    for name, spec in asset_type.properties.items():
        path = ("properties", name)
        if (spec.expression is not None) != (spec.kind is PropertyKind.TRANSFORM):
            yield "a transform, and nothing else, has an expression", (*path, "expression")
        if spec.default is not None and spec.kind is not PropertyKind.ATTRIBUTE:
            yield "only an attribute has a default; other kinds get their values from tags", (*path, "default")
        elif spec.default is not None and not is_of_type(spec.default, spec.type):
            yield f"{spec.default!r} is no {spec.type}", (*path, "default")
        if "signal" in spec.model_fields_set and spec.kind is not PropertyKind.MEASUREMENT:
            yield SIGNAL_OF_OTHERS, (*path, "signal")
    known = {name: (str(spec.kind), str(spec.type)) for name, spec in asset_type.properties.items()}
    signs = {name: mode.signs for name, mode in asset_type.failure_modes.items()}
    yield from sign_findings(signs, known)


def is_of_type(value: Any, value_type: ValueType) -> bool:
    """Say whether a value of a file fits a type; a whole number fits float64."""
    match value_type:
        case ValueType.FLOAT64:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ValueType.INT64:
            return isinstance(value, int) and not isinstance(value, bool)
        case ValueType.BOOL:
            return isinstance(value, bool)
        case ValueType.STRING:
            return isinstance(value, str)


def check_plant(
    plant: PlantFile, types: Iterable[AssetTypeFile], *, devices: Iterable[DeviceFile] = ()
) -> list[ConfigError]:
    """Find what does not fit between the files: unknown type, property, tag; attribute or tag of another type.

    Tags are judged only where their device is among `devices`, since others may come later.
    """
    by_name = {asset_type.type: asset_type for asset_type in types}
    by_device = {device.device: device for device in devices}
    errors: list[ConfigError] = []
    for path, asset in plant.assets.items():
        for message, key in _asset_findings(asset, by_name, by_device):
            errors.append(plant.error(message, "assets", path, *key))
    return errors


def _asset_findings(
    asset: AssetSpec, types: Mapping[str, AssetTypeFile], devices: Mapping[str, DeviceFile]
) -> Iterator[tuple[str, Path]]:
    asset_type = types.get(asset.type) if asset.type is not None else None
    if asset.type is not None and asset_type is None:
        yield f"asset type {asset.type!r} is not known{suggestion(asset.type, types)}", ("type",)
    properties = asset_type.properties if asset_type is not None else None
    for name, value in asset.attributes.items():
        yield from _attribute_findings(name, value, properties)
    for name, tag_key in asset.bind.items():
        yield from _bind_findings(name, tag_key, properties, devices=devices)


def _attribute_findings(
    name: str, value: object, properties: Mapping[str, PropertySpec] | None
) -> Iterator[tuple[str, Path]]:
    if properties is None:
        return
    spec = properties.get(name)
    if spec is None or spec.kind is not PropertyKind.ATTRIBUTE:
        valid = [key for key, other in properties.items() if other.kind is PropertyKind.ATTRIBUTE]
        yield f"{name!r} is no attribute of the type{suggestion(name, valid)}", ("attributes", name)
    elif not is_of_type(value, spec.type):
        yield f"{value!r} is no {spec.type}", ("attributes", name)


def _bind_findings(
    name: str, tag_key: str, properties: Mapping[str, PropertySpec] | None, *, devices: Mapping[str, DeviceFile]
) -> Iterator[tuple[str, Path]]:
    path: Path = ("bind", name)
    spec = properties.get(name) if properties is not None else None
    if properties is not None and (spec is None or spec.kind in (PropertyKind.ATTRIBUTE, PropertyKind.TRANSFORM)):
        valid = [key for key, other in properties.items() if other.kind is PropertyKind.MEASUREMENT]
        yield f"{name!r} is no measurement of the type{suggestion(name, valid)}", path
        return
    device_name, _, tag_name = tag_key.partition("/")
    device = devices.get(device_name)
    if device is None:
        return
    tag = device.tags.get(tag_name)
    if tag is None:
        yield f"device {device_name!r} has no tag {tag_name!r}{suggestion(tag_name, device.tags)}", path
    elif spec is not None and (tag.type, tag.unit) != (spec.type, spec.unit):
        yield f"tag is {tag.type} in {tag.unit!r}, the property is {spec.type} in {spec.unit!r}", path


def plant_json_schema() -> dict[str, Any]:
    """Give the JSON Schema of plant.yaml."""
    return _published(PlantFile.model_json_schema(), "plant-file", "Penstock plant file")


def asset_type_json_schema() -> dict[str, Any]:
    """Give the JSON Schema of types/*.yaml."""
    return _published(AssetTypeFile.model_json_schema(), "asset-type", "Penstock asset type")


def _published(schema: dict[str, Any], name: str, title: str) -> dict[str, Any]:
    identity = f"https://penstock.invalid/schemas/{name}.schema.json"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": identity, **schema, "title": title}
