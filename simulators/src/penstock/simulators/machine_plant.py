"""A machine in a running plant folder: its device file, its asset type, and the asset of that type in plant.yaml.

What the plant's people wrote stays as it is: a type that is there is never written again, and plant.yaml gets one line,
behind the last asset, with all its comments kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import yaml

from penstock.core.errors import ConfigError
from penstock.core.plant import AssetSpec, AssetTypeFile, parse_asset_type, parse_plant_file
from penstock.simulators.folder import write_whole
from penstock.simulators.machine_types import machine_type_text

OWN_NAME: Final = "simulated-{model}"
"""The type's name where the plant has another type under the model's: one whose signs the machine does not show."""


def place_machine(
    plant: Path, device_text: str, *, model: str, device: str, asset: str, outputs: Collection[str]
) -> Iterator[str]:
    """Write what the plant needs for the machine and tell each file; `outputs` are the names of its tags.

    ConfigError where plant.yaml or a type cannot be read, or has no place for the asset; then nothing is written.
    """
    if not (plant / "devices").is_dir():
        message = "no plant folder (it needs devices/): name the folder of a running plant"
        raise ConfigError(message, file=str(plant), line=None, key="")
    kind, type_text = _type_in(plant / "types", model, outputs)
    before = _text(plant / "plant.yaml")
    after = with_asset(before, asset, kind) if kind is not None else before
    if kind is not None and type_text is not None:
        (plant / "types").mkdir(exist_ok=True)
        write_whole(plant / "types" / f"{kind}.yaml", type_text)
        yield f"{plant / 'types' / f'{kind}.yaml'}: asset type {kind}"
    if after != before:
        write_whole(plant / "plant.yaml", after)
        yield f"{plant / 'plant.yaml'}: {asset} is a {kind}"
    path = plant / "devices" / f"{device}.yaml"
    write_whole(path, device_text)
    yield f"{path}: {model}"


def _type_in(types: Path, model: str, outputs: Collection[str]) -> tuple[str | None, str | None]:
    """Give the name of the machine's type in this plant, and its text where it is to be written."""
    known = _known(types, model)
    if known is not None and _is_of(known, outputs):
        return model, None
    text = machine_type_text(model)
    if text is None or known is None:
        return (None if text is None else model), text
    own = OWN_NAME.format(model=model)
    return own, None if _known(types, own) else re.sub(r"(?m)^type: .*$", f"type: {own}", text)


def _known(types: Path, name: str) -> AssetTypeFile | None:
    """Give the plant's type of that name, whatever its file's; ConfigError where the file of that name is wrong."""
    for path in sorted(types.glob("*.yaml"), key=lambda path: path.stem != name):
        try:
            found = parse_asset_type(_text(path), file=str(path), environ=os.environ)
        except ConfigError:
            if path.stem == name:
                raise
            continue
        if found.type == name:
            return found
    return None


def _is_of(known: AssetTypeFile, outputs: Collection[str]) -> bool:
    """Say whether a plant's type is one of this machine: it has failure modes, and their signs are its tags."""
    signs = {name for mode in known.failure_modes.values() for name in mode.signs}
    return bool(signs) and signs <= set(outputs)


def with_asset(text: str, asset: str, kind: str, *, file: str = "plant.yaml") -> str:
    """Give plant.yaml with the asset in it, or as it is where the asset stands there already.

    ConfigError where it is wrong, of another enterprise, or so written that a line cannot be added behind the assets.
    """
    enterprise = asset.partition("/")[0]
    if not text.strip():
        return f"version: 1\nenterprise: {enterprise}\nassets:\n  {asset}: {{type: {kind}}}\n"
    plant = parse_plant_file(text, file=file, environ=os.environ)
    if asset in plant.assets:
        return text
    if enterprise != plant.enterprise:
        message = f"the plant's enterprise is not that of {asset!r}: give --asset {plant.enterprise}/..."
        raise plant.error(message, "enterprise")
    grown = _grown(text, f"{asset}: {{type: {kind}}}")
    try:
        after = parse_plant_file(grown, file=file, environ=os.environ)
    except ConfigError:
        after = None
    if after is None or after.assets != {**plant.assets, asset: AssetSpec(type=kind)}:
        message = f"cannot be added to as it is written: add `{asset}: {{type: {kind}}}` by hand, then run this again"
        raise plant.error(message, "assets")
    return grown


def _grown(text: str, line: str) -> str:
    """Put a line behind the last asset; whether that was right is for the caller to see."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    assets = next((value for key, value in root.value if key.value == "assets"), None)
    if assets is None:
        return f"{text.rstrip()}\nassets:\n  {line}\n"
    if not assets.value:  # {}
        return f"{text[: assets.start_mark.index].rstrip()}\n  {line}{text[assets.end_mark.index :]}"
    indent = assets.value[0][0].start_mark.column
    at: int = _last(assets).end_mark.index
    if text[at - 1] != "\n":
        at = text.find("\n", at) + 1 or len(text)
    head = text[:at] if text[:at].endswith("\n") else f"{text[:at]}\n"
    return f"{head}{' ' * indent}{line}\n{text[at:]}"


def _last(node: yaml.Node) -> yaml.Node:
    """Give the last value written; what is in braces counts as one."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        newest = node.value[-1]
        return _last(newest[1] if isinstance(node, yaml.MappingNode) else newest)
    return node


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot be read: {error}"
        raise ConfigError(message, file=str(path), line=None, key="") from error
