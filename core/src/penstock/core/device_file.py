"""The device file: one YAML file that makes the simulated device, the gateway's mapping and the conformance check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

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
from penstock.core.deadband import Rule
from penstock.core.deadband_spec import DeadbandSpec, RangeSpec, deadband_findings, rule_of
from penstock.core.device_address import FORMS
from penstock.core.errors import ConfigError
from penstock.core.signals import OutputSignal, SignalSpec
from penstock.core.times import NS_PER_S
from penstock.core.units import IDENTITY, UNIT_MAX_CHARS, Conversion, conversion, unit_problem
from penstock.core.values import ValueType

DEVICE_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
TAG_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"
TAGS_MAX: Final = 2_000
"""A device of 2,000 tags is read in some 0.4 s on one core; more would hold up the devices beside it."""
DEVICE_FILE_MAX_BYTES: Final = 512 * 1024
"""Twice what 2,000 tags take; both watchers of the folder ask for the size before they read."""
_SOURCE_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "opcua": frozenset({"node"}),
    "mqtt": frozenset({"topic", "field", "time_field", "quality_field"}),
}
"""Address keys of the drivers of this repository; other drivers judge theirs themselves."""
_M = TypeVar("_M", bound=BaseModel)


class ConnectionSpec(BaseModel):
    """Name the driver and keep its settings; the driver judges them through `DeviceFile.connection_as`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    driver: str = Field(min_length=1, max_length=64, description="entry point in the group penstock.drivers")

    @property
    def settings(self) -> dict[str, Any]:
        """Give the driver's own keys."""
        return dict(self.model_extra or {})


class SourceSpec(BaseModel):
    """Say where in the device a tag's value is found, and in which unit the device speaks."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    node: str | None = Field(default=None, min_length=1, max_length=4096, description="opcua: node id or identifier")
    topic: str | None = Field(default=None, min_length=1, max_length=1024, description="mqtt: topic")
    field: str | None = Field(default=None, min_length=1, max_length=512, description="mqtt: path of the value")
    time_field: str | None = Field(default=None, min_length=1, max_length=512, description="mqtt: path of the time")
    quality_field: str | None = Field(default=None, min_length=1, max_length=512, description="mqtt: path of a status")
    unit: str | None = Field(default=None, max_length=UNIT_MAX_CHARS, description="unit in which the device speaks")
    scale: float = Field(default=1.0, description="value = raw × scale + offset, before the unit is converted")
    offset: float = 0.0

    @property
    def settings(self) -> dict[str, Any]:
        """Give the keys of a driver that is not of this repository."""
        return dict(self.model_extra or {})


class TagSpec(FileModel):
    """Describe one tag: a time series of one type and unit."""

    description: str = Field(default="", max_length=1024)
    type: ValueType = Field(description="the type in the historian")
    unit: str = Field(default="", max_length=UNIT_MAX_CHARS, description="the unit in the historian")
    source: SourceSpec = SourceSpec()
    signal: SignalSpec | None = None
    late_after_s: float | None = Field(default=None, gt=0, le=1e9)
    rate_hz: float | None = Field(default=None, gt=0, le=1e6)
    range: RangeSpec | None = Field(default=None, description="normal range of the values, in the tag's unit")
    deadband: DeadbandSpec | None = Field(default=None, description="leave out what changes less; absent: nothing")

    @property
    def conversion(self) -> Conversion:
        """Give raw → value: scale and offset, then the unit; raise ValueError where the unit does not convert."""
        unit = conversion(self.source.unit, self.unit) if self.source.unit is not None else IDENTITY
        return unit.after(self.source.scale, self.source.offset)

    @property
    def late_after_ns(self) -> int | None:
        """Give late_after_s in nanoseconds."""
        return None if self.late_after_s is None else round(self.late_after_s * NS_PER_S)

    @property
    def thinning(self) -> Rule | None:
        """Give the deadband's rule, None where nothing is left out."""
        return rule_of(self.deadband, self.range)


class SimulateSpec(FileModel):
    """Ask the simulators for this device: a model, or its signals alone."""

    model: str | None = Field(default=None, max_length=64, description="entry point in the group penstock.models")
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    seed: int = Field(default=0, ge=0, lt=2**63)


class DeviceFile(FileModel):
    """Describe one device, as docs/reference/device-file.md has it."""

    version: Literal[1]
    device: str = Field(pattern=DEVICE_PATTERN, description="unique in the plant")
    description: str = Field(default="", max_length=1024)
    asset: str | None = Field(default=None, description="ISA-95 path: enterprise/site/area/work center/work unit")
    enabled: bool = True
    connection: ConnectionSpec
    simulate: SimulateSpec | None = None
    tags: dict[Annotated[str, Field(pattern=TAG_PATTERN)], TagSpec] = Field(min_length=1, max_length=TAGS_MAX)

    _origin: Origin = PrivateAttr(default=NOWHERE)

    @field_validator("asset")
    @classmethod
    def _check_asset(cls, asset: str | None) -> str | None:
        return None if asset is None else str(IsaPath.parse(asset))

    @property
    def file(self) -> str:
        """Give the name of the file that was parsed."""
        return self._origin.file

    @property
    def hash(self) -> str:
        """Give the SHA-256 of the file's text, hex."""
        return self._origin.sha256

    def key(self, tag: str) -> str:
        """Give the tag's stable key, `device/tag`."""
        return f"{self.device}/{tag}"

    def error(self, message: str, *path: str | int) -> ConfigError:
        """Make an error at a key of this file, such as `error("no such node", "tags", "flow", "source", "node")`."""
        return self._origin.error(message, path)

    def connection_as(self, model: type[_M]) -> _M:
        """Judge the driver's connection settings by its own pydantic model (derive it from FileModel); ConfigError."""
        return validate(model, self.connection.settings, self._origin, prefix=("connection",))


def parse_device_file(text: str, *, file: str, environ: Mapping[str, str]) -> DeviceFile:
    """Read a device file; ConfigError with file, line and key (`others`: the further ones)."""
    check_size(len(text.encode("utf-8", "surrogatepass")), file=file)
    values, origin = read_yaml(text, file=file, environ=environ)
    tags = values.get("tags")
    if isinstance(tags, dict) and len(tags) > TAGS_MAX:
        message = f"{len(tags)} tags; at most {TAGS_MAX} in one device: split the device into several files"
        raise origin.error(message, ("tags",))
    device = validate(DeviceFile, values, origin)
    device._origin = origin
    found = [origin.error(message, path) for message, path in _findings(device)]
    if found:
        raise combined(found)
    return device


def check_size(size_bytes: int, *, file: str) -> None:
    """Raise ConfigError where a device file is larger than DEVICE_FILE_MAX_BYTES."""
    if size_bytes > DEVICE_FILE_MAX_BYTES:
        message = f"{size_bytes} bytes; at most {DEVICE_FILE_MAX_BYTES} are read: split the device into several files"
        raise ConfigError(message, file=file, line=None, key="")


def _findings(device: DeviceFile) -> Iterator[tuple[str, Path]]:
    yield from _address_findings(device.connection)
    for name, tag in device.tags.items():
        problem = unit_problem(tag.unit)
        if problem is not None:
            yield problem, ("tags", name, "unit")
        yield from _source_findings(device.connection.driver, tag, ("tags", name, "source"))
        yield from _signal_findings(device, tag, ("tags", name, "signal"))
        yield from deadband_findings(tag.deadband, tag.range, tag.type, ("tags", name))


def _address_findings(connection: ConnectionSpec) -> Iterator[tuple[str, Path]]:
    form = FORMS.get(connection.driver)
    if form is None:
        return
    address = connection.settings.get(form.key)
    problem = form.problem(address) if isinstance(address, str) else None  # the driver asks for one that is missing
    if problem is not None:
        yield problem, ("connection", form.key)


def _source_findings(driver: str, tag: TagSpec, path: Path) -> Iterator[tuple[str, Path]]:
    source = tag.source
    valid = _SOURCE_KEYS.get(driver)
    if valid is not None:
        for key in source.model_fields_set - valid - {"unit", "scale", "offset"}:
            words = valid | {"unit", "scale", "offset"}
            yield f"key {key!r} is not known to driver {driver}{suggestion(key, words)}", (*path, key)
    for key in ("unit", "scale", "offset"):
        if key in source.model_fields_set and not tag.type.is_numeric:
            yield f"{key} does not apply to a tag of type {tag.type}; remove it", (*path, key)
            return
    try:
        whole = tag.conversion
    except ValueError as error:
        yield str(error), (*path, "unit")
        return
    if tag.type is ValueType.INT64 and not (whole.scale.is_integer() and whole.offset.is_integer()):
        key = "unit" if source.scale.is_integer() and source.offset.is_integer() else "scale"
        yield "makes fractions of an int64 tag; declare it float64", (*path, key)


def _signal_findings(device: DeviceFile, tag: TagSpec, path: Path) -> Iterator[tuple[str, Path]]:
    modelled = device.simulate is not None and device.simulate.model is not None
    if isinstance(tag.signal, OutputSignal) and not modelled:
        yield "takes an output of a model, but simulate.model names none", (*path, "output")


def check_driver_known(device: DeviceFile, drivers: Iterable[str]) -> None:
    """Raise ConfigError where the device's driver is none of `drivers`, which the caller found by entry point."""
    valid = set(drivers)
    if device.connection.driver not in valid:
        message = f"driver {device.connection.driver!r} is not installed{suggestion(device.connection.driver, valid)}"
        raise device.error(message, "connection", "driver")


def check_devices(devices: Iterable[DeviceFile]) -> list[ConfigError]:
    """Find device names that stand in several files: one error per later file."""
    first: dict[str, DeviceFile] = {}
    errors = []
    for device in devices:
        other = first.setdefault(device.device, device)
        if other is not device:
            message = f"device {device.device!r} is already described by {other.file}; give one another name"
            errors.append(device.error(message, "device"))
    return errors


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of the device file, for editors."""
    schema = DeviceFile.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://penstock.invalid/schemas/device-file.schema.json",
        **schema,
        "title": "Penstock device file",
    }
