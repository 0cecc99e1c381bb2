"""What is wrong in the files of a plant folder, as gateway and platform read them; `penstock doctor` asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, TypeVar

from penstock.core.device_file import DeviceFile, check_devices, check_driver_known, check_size, parse_device_file
from penstock.core.errors import ConfigError
from penstock.core.plant import AssetTypeFile, PlantFile, check_plant, parse_asset_type, parse_plant_file

DRIVERS_GROUP: Final = "penstock.drivers"
File = TypeVar("File", DeviceFile, AssetTypeFile, PlantFile)


def check_folder(folder: Path, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """Look at devices/, types/ and plant.yaml; give what was looked at, and each error with its file.

    `environ` stands in for the processes' environment.
    """
    errors: list[str] = []
    devices = list(_read(folder / "devices", "*.y*ml", _device, environ=environ, errors=errors))
    types = list(_read(folder / "types", "*.yaml", parse_asset_type, environ=environ, errors=errors))
    plants = list(_read(folder, "plant.yaml", parse_plant_file, environ=environ, errors=errors))
    errors += [f"{folder / 'devices'}: {error}" for error in check_devices(devices)]
    errors += [f"{folder}: {error}" for plant in plants for error in check_plant(plant, types, devices=devices)]
    return f"{len(devices)} device files, {len(types)} asset types", errors


def _read(
    folder: Path, pattern: str, parse: Callable[..., File], *, environ: Mapping[str, str], errors: list[str]
) -> Iterator[File]:
    """Give what can be read of the files; what cannot is told in `errors`."""
    for path in sorted(folder.glob(pattern)):
        if path.name.startswith("."):
            continue
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
