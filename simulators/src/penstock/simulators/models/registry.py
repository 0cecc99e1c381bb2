"""Finding models by entry point, group `penstock.models`."""

from __future__ import annotations

from importlib.metadata import entry_points

from penstock.simulators.models.model import Model

GROUP = "penstock.models"


class UnknownModelError(LookupError):
    """Say that no package brings the model, and which ones there are."""


def model_names() -> list[str]:
    """List the models that are installed."""
    return sorted(entry.name for entry in entry_points(group=GROUP))


def find_model(name: str) -> type[Model]:
    """Give the class; UnknownModelError lists those installed."""
    for entry in entry_points(group=GROUP, name=name):
        model: type[Model] = entry.load()
        return model
    message = f"unknown model {name!r}; installed models: {', '.join(model_names())}"
    raise UnknownModelError(message)
