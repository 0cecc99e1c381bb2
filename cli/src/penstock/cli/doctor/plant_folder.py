"""What is wrong in the files of a plant folder: read as gateway and platform read them, without either."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, TypeVar

from penstock.cli.doctor.findings import Finding, Verdict
from penstock.core.device_file import DeviceFile, check_devices, check_driver_known, check_size, parse_device_file
from penstock.core.errors import ConfigError
from penstock.core.plant import AssetTypeFile, PlantFile, check_plant, parse_asset_type, parse_plant_file

DRIVERS_GROUP: Final = "penstock.drivers"
ERRORS_MAX: Final = 10
"""Errors that are told; the rest is counted."""
File = TypeVar("File", DeviceFile, AssetTypeFile, PlantFile)


def plant_folder(folder: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Look at devices/, types/ and plant.yaml; `environ` stands in for the processes' environment."""
    if not folder.is_dir():
        return
    errors: list[str] = []
    devices = list(_read(folder / "devices", ("*.yaml", "*.yml"), _device, environ=environ, errors=errors))
    types = list(_read(folder / "types", ("*.yaml",), parse_asset_type, environ=environ, errors=errors))
    plants = list(_read(folder, ("plant.yaml",), parse_plant_file, environ=environ, errors=errors))
    errors += [f"{folder / 'devices'}: {error}" for error in check_devices(devices)]
    errors += [f"{folder}: {error}" for plant in plants for error in check_plant(plant, types, devices=devices)]
    for error in errors[:ERRORS_MAX]:
        yield Finding(Verdict.WRONG, error, "mend the file; what it said before goes on until then")
    if len(errors) > ERRORS_MAX:
        yield Finding(Verdict.WRONG, f"{folder}: and {len(errors) - ERRORS_MAX} errors more", "mend those above first")
    if not errors:
        yield Finding(Verdict.OK, f"{folder}: {len(devices)} device files, {len(types)} asset types, nothing wrong")


def _read(
    folder: Path,
    patterns: tuple[str, ...],
    parse: Callable[..., File],
    *,
    environ: Mapping[str, str],
    errors: list[str],
) -> Iterator[File]:
    """Give what can be read of the files; what cannot is told in `errors`."""
    paths = sorted(path for pattern in patterns for path in folder.glob(pattern) if not path.name.startswith("."))
    for path in paths:
        try:
            yield parse(path.read_text(encoding="utf-8"), file=path.name, environ=environ)
        except ConfigError as wrong:
            errors.append(f"{folder}: {wrong}")
            errors.extend(f"{folder}: {other}" for other in wrong.others)
        except (OSError, UnicodeDecodeError) as unreadable:
            errors.append(f"{path} cannot be read: {unreadable}")


def _device(text: str, *, file: str, environ: Mapping[str, str]) -> DeviceFile:
    check_size(len(text.encode()), file=file)
    device = parse_device_file(text, file=file, environ=environ)
    check_driver_known(device, {entry.name for entry in entry_points(group=DRIVERS_GROUP)})
    return device
