"""Settings of the environment: mistakes and unknown names are told under the variable's name."""

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from penstock.core.errors import PenstockError
from penstock.core.settings import UNKNOWN_NAMED_MAX, mistakes, settings_of, unknown_settings


class Kind(BaseModel):
    model_config = ConfigDict(env_prefix="PENSTOCK_ROOM_")  # type: ignore[typeddict-unknown-key]  # of pydantic-settings

    port: int = Field(8080, le=65_535)
    retention_days: int | None = None
    apps: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _rule(self) -> "Kind":
        if self.port == 1 and self.retention_days is not None:
            message = "PENSTOCK_ROOM_PORT must not be 1 beside PENSTOCK_ROOM_RETENTION_DAYS"
            raise ValueError(message)
        return self


def test_each_mistake_is_a_line_with_the_variable_s_name() -> None:
    with pytest.raises(PenstockError) as refused:
        settings_of(Kind, port=99_999, retention_days="a week", apps={"x": 1})
    lines = str(refused.value).splitlines()
    names = [line.partition(":")[0] for line in lines]
    assert names == ["PENSTOCK_ROOM_PORT", "PENSTOCK_ROOM_RETENTION_DAYS", "PENSTOCK_ROOM_APPS"]
    assert "65535" in lines[0]


def test_a_rule_about_several_settings_names_them_itself() -> None:
    with pytest.raises(ValidationError) as refused:
        Kind(port=1, retention_days=7)
    assert mistakes(Kind, refused.value) == ["PENSTOCK_ROOM_PORT must not be 1 beside PENSTOCK_ROOM_RETENTION_DAYS"]


def test_what_is_not_given_stays_as_it_is() -> None:
    assert settings_of(Kind, port=None, retention_days=8) == Kind(retention_days=8)


def test_a_mistyped_name_is_told_with_the_nearest() -> None:
    environ = ["PENSTOCK_ROOM_RETENTION_DAY", "PENSTOCK_ROOM_PORT", "penstock_room_port", "PENSTOCK_OTHER_X", "PATH"]
    said = unknown_settings(Kind, environ)
    assert said.endswith("PENSTOCK_ROOM_RETENTION_DAY (is PENSTOCK_ROOM_RETENTION_DAYS meant?)")
    assert "PORT" not in said
    assert "OTHER" not in said


def test_known_names_and_nested_ones_are_no_mistake() -> None:
    assert unknown_settings(Kind, ["PENSTOCK_ROOM_PORT", "PENSTOCK_ROOM_APPS__MONITORING"]) == ""


def test_a_name_like_no_other_is_told_alone_and_many_are_counted() -> None:
    assert unknown_settings(Kind, ["PENSTOCK_ROOM_ZZZZQQQQWWWWXXXXYYYYVVVV"]).endswith("VVVV")
    many = [f"PENSTOCK_ROOM_X{n:02d}" for n in range(UNKNOWN_NAMED_MAX + 2)]
    assert unknown_settings(Kind, many).endswith("and 2 more")
