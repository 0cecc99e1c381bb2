"""The connection keys of an MQTT device file."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import field_validator

from penstock.core.config_file import FileModel
from penstock.core.device_address import MQTT

TimeUnit = Literal["s", "ms", "us", "ns"]
NS_PER_UNIT: dict[TimeUnit, int] = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


class MqttConnection(FileModel):
    """Check the connection keys of the driver `mqtt`."""

    broker: str
    topic: str | None = None
    time_field: str | None = None
    time_unit: TimeUnit = "s"
    quality_field: str | None = None
    qos: Literal[0, 1] = 1

    @field_validator("broker")
    @classmethod
    def _is_mqtt(cls, broker: str) -> str:
        problem = MQTT.problem(broker)
        if problem is not None:
            raise ValueError(problem)
        return broker

    @property
    def host(self) -> str:
        """Give the broker's host."""
        return urlsplit(self.broker).hostname or ""

    @property
    def port(self) -> int:
        """Give the broker's port; by default 1883, with TLS 8883."""
        return urlsplit(self.broker).port or (8883 if self.encrypted else 1883)

    @property
    def encrypted(self) -> bool:
        """Say whether TLS is spoken."""
        return urlsplit(self.broker).scheme == "mqtts"
