"""The forms of the page: what may be typed in, and what is wrong with it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from penstock.simulators.device_faults import SensorFault
from penstock.simulators.models.fault import FaultRequest, Law

BODY_MAX_bytes = 16_384
FIELDS_MAX = 20


class FormError(Exception):
    """Say which field is wrong, and what it takes."""


class InjectForm(BaseModel):
    """What to inject: `tag` belongs to a fault of a sensor."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    fault: str = Field(min_length=1, max_length=100)
    tag: str = Field(default="", max_length=63)
    severity: float = Field(default=0.2, ge=0.0, le=1.0)
    growth: float = Field(default=2.0, ge=0.0, le=3600.0)
    onset: float = Field(default=0.0, ge=0.0, le=30 * 86_400.0)
    law: Law = Law.LINEAR

    def request(self) -> FaultRequest:
        """Give the request; FormError where a sensor's fault lacks its tag."""
        fault = self.fault
        if fault in set(SensorFault):
            if not self.tag:
                message = f"tag: {fault} is a fault of a sensor: choose the tag whose sensor breaks"
                raise FormError(message)
            fault = f"{fault}:{self.tag}"
        return FaultRequest(fault, self.severity, self.growth, self.onset, self.law)


DEFAULTS: Mapping[str, str] = {"severity": "0.2", "growth": "2", "onset": "0", "law": Law.LINEAR.value}


def read_form(body: bytes) -> dict[str, str]:
    """Read a body of application/x-www-form-urlencoded; FormError where it is none or too long."""
    if len(body) > BODY_MAX_bytes:
        message = f"a form fits in {BODY_MAX_bytes} bytes"
        raise FormError(message)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError as error:
        message = f"no form: {error}"
        raise FormError(message) from None
    return dict(pairs)


def read_injection(given: Mapping[str, str]) -> FaultRequest:
    """Read the form that injects; FormError names the field and what it takes."""
    try:
        form = InjectForm.model_validate({name: value for name, value in given.items() if value != ""})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = f"{name}: {first['msg'][:1].lower()}{first['msg'][1:]}"
        raise FormError(message) from None
    return form.request()
