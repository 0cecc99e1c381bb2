"""The plant folder: types/*.yaml and plant.yaml are read at start and whenever they change.

What is right is taken over; what is wrong is told with file, line and key in the log and at /v1/plant/status. What the
folder says of an asset goes before what API or devices say. An asset that leaves plant.yaml goes, unless a device
still names it: then it is the device's.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from penstock.core.errors import ConfigError
from penstock.core.plant import AssetSpec, AssetTypeFile, PlantFile, check_plant, parse_asset_type, parse_plant_file
from penstock.platform.kit.audit import Actor
from penstock.platform.kit.db import Database
from penstock.platform.kit.problems import Problem
from penstock.platform.registry.binding import make_asset
from penstock.platform.registry.model import Asset, Binding, HierarchyName, Tag
from penstock.platform.registry.types import TypeContent, find_type, publish

FILE_BYTES_MAX = 4 * 1024 * 1024
log = logging.getLogger(__name__)

Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class PlantStatus:
    """How the folder was read last."""

    followed: bool = False
    read_ns: int | None = None
    types: int = 0
    assets: int = 0
    errors: tuple[ConfigError, ...] = ()


class PlantFolder:
    """Follow the folder for one tenant. `poll` is called every few seconds, in a worker thread."""

    def __init__(self, db: Database, folder: Path | None, environ: Mapping[str, str]) -> None:
        self._db = db
        self._folder = folder
        self._environ = environ
        self._tenant = ""
        self._seen: Signature | None = None
        self._status = PlantStatus(followed=folder is not None)

    def belongs_to(self, tenant: str) -> None:
        """Say whose plant it is."""
        self._tenant = tenant

    def status(self, tenant: str) -> PlantStatus:
        """Give the status to its tenant; others have no plant folder."""
        return self._status if tenant == self._tenant else PlantStatus()

    def poll(self) -> bool:
        """Read the folder if it changed; tell whether it was read."""
        if self._folder is None:
            return False
        seen = _signature(self._folder)
        if seen == self._seen:
            return False
        self._seen = seen
        self.read()
        return True

    def read(self) -> PlantStatus:
        """Read the folder and take it over."""
        assert self._folder is not None
        types, errors = self._types(self._folder)
        plant, found = self._plant(self._folder)
        errors += found
        by = Actor(self._tenant, "platform", "plant folder")
        with self._db.session() as session:
            errors += _publish(session, by, types)
            if plant is not None:
                wrong = check_plant(plant, types)
                errors += wrong
                _take_over(session, self._tenant, plant, _usable(plant, wrong))
        self._status = PlantStatus(True, time.time_ns(), len(types), len(plant.assets) if plant else 0, tuple(errors))
        for error in errors:
            log.error("plant folder: %s", error)
        log.info("plant folder read: %d types, %d assets, %d errors", len(types), self._status.assets, len(errors))
        return self._status

    def _types(self, folder: Path) -> tuple[list[AssetTypeFile], list[ConfigError]]:
        types, errors = [], []
        for path in sorted((folder / "types").glob("*.yaml")):
            try:
                types.append(parse_asset_type(_text(path), file=path.name, environ=self._environ))
            except ConfigError as error:
                errors += [error, *error.others]
        return types, errors

    def _plant(self, folder: Path) -> tuple[PlantFile | None, list[ConfigError]]:
        path = folder / "plant.yaml"
        if not path.exists():
            return None, []
        try:
            return parse_plant_file(_text(path), file=path.name, environ=self._environ), []
        except ConfigError as error:
            return None, [error, *error.others]


def _signature(folder: Path) -> Signature:
    found = []
    for path in (folder / "plant.yaml", *sorted((folder / "types").glob("*.yaml"))):
        try:
            stat = path.stat()
        except OSError:
            continue
        found.append((str(path), stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            message = f"larger than {FILE_BYTES_MAX} bytes"
            raise ConfigError(message, file=path.name, line=None, key="")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot be read: {error}"
        raise ConfigError(message, file=path.name, line=None, key="") from error


def _publish(session: Session, by: Actor, types: Sequence[AssetTypeFile]) -> list[ConfigError]:
    errors = []
    for file in types:
        properties = {
            name: spec.model_dump(mode="json", exclude_none=True, exclude_defaults=True) | {"type": str(spec.type)}
            for name, spec in file.properties.items()
        }
        modes = {name: mode.model_dump(mode="json", exclude_defaults=True) for name, mode in file.failure_modes.items()}
        content = TypeContent(file.description, properties, modes)
        try:
            publish(session, by, file.type, file.revision, content=content)
        except Problem as problem:
            errors.append(file.error(problem.detail, "revision"))
    return errors


def _usable(plant: PlantFile, wrong: Sequence[ConfigError]) -> dict[str, AssetSpec]:
    """Give the assets without errors."""
    bad = {path for path in plant.assets for error in wrong if path in error.key}
    return {path: spec for path, spec in plant.assets.items() if path not in bad}


def _take_over(session: Session, tenant: str, plant: PlantFile, assets: Mapping[str, AssetSpec]) -> None:
    session.execute(delete(HierarchyName).where(HierarchyName.tenant == tenant))
    session.add_all(HierarchyName(tenant=tenant, path=path, name=name) for path, name in plant.hierarchy.items())
    session.flush()
    known = {row.path: row for row in session.execute(select(Asset).where(Asset.tenant == tenant)).scalars()}
    for path, spec in assets.items():
        asset = known.get(path) or make_asset(session, tenant, path, origin="plant")
        asset.origin, asset.changed_ns = "plant", time.time_ns()
        asset.name, asset.description = spec.name or path.rsplit("/", 1)[-1], spec.description
        asset.type_id = find_type(session, tenant, spec.type).id if spec.type else None
        asset.attributes = dict(spec.attributes)
        _bind(session, asset, spec.bind)
    for path, asset in known.items():
        if asset.origin == "plant" and path not in plant.assets:
            _let_go(session, asset)


def _bind(session: Session, asset: Asset, wanted: Mapping[str, str]) -> None:
    rows = {row.property: row for row in session.execute(select(Binding).where(Binding.asset_id == asset.id)).scalars()}
    query = select(Tag).where(Tag.tenant == asset.tenant, Tag.active, Tag.key.in_(sorted(wanted.values())))
    tags = {tag.key: tag.id for tag in session.execute(query).scalars()}
    for name, row in rows.items():
        stale = row.origin == "plant" and name not in wanted
        doubled = row.origin == "device" and name not in wanted and row.tag_key in wanted.values()
        if stale or doubled:
            session.delete(row)
    for name, key in wanted.items():
        binding = rows.get(name) or Binding(asset_id=asset.id, property=name, tenant=asset.tenant)
        session.add(binding)
        binding.tag_key, binding.tag_id, binding.origin = key, tags.get(key), "plant"
    session.flush()


def _let_go(session: Session, asset: Asset) -> None:
    named = select(Tag.id).where(Tag.tenant == asset.tenant, Tag.active, Tag.path == asset.path)
    if session.execute(named).first() is not None:
        asset.origin, asset.type_id, asset.attributes = "device", None, {}
        return
    session.execute(delete(Binding).where(Binding.asset_id == asset.id))
    session.delete(asset)
