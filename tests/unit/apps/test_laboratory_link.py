"""The maintenance app leads to the fault laboratory where one is named, by the asset's path and nothing else."""

import pytest
from pydantic import ValidationError

from penstock.apps.maintenance.asset_page import laboratory_href
from penstock.apps.maintenance.settings import MaintenanceSettings


def test_the_address_names_the_asset_by_its_path() -> None:
    settings = MaintenanceSettings(laboratory_url="http://localhost:8092/")
    assert laboratory_href(settings.laboratory_url, "works/hall 1/pump&co") == (
        "http://localhost:8092/asset?path=works%2Fhall+1%2Fpump%26co"
    )


def test_without_a_laboratory_there_is_no_link() -> None:
    assert laboratory_href(MaintenanceSettings().laboratory_url, "works/pump") == ""


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValidationError, match="write http://localhost:8092"):
        MaintenanceSettings(laboratory_url="javascript:alert(1)")
