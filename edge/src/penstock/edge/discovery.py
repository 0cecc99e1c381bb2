"""Finding drivers by entry point."""

from importlib.metadata import entry_points

from penstock.core.device_file import DeviceFile, check_driver_known
from penstock.edge.driver import Driver

DRIVERS_GROUP = "penstock.drivers"


def driver_names() -> list[str]:
    """List the names of the drivers that are installed."""
    return sorted({entry.name for entry in entry_points(group=DRIVERS_GROUP)})


def find_driver(device: DeviceFile) -> type[Driver]:
    """Give the driver class that the device names; an unknown one is a ConfigError that lists the known."""
    check_driver_known(device, driver_names())
    (entry,) = list(entry_points(group=DRIVERS_GROUP, name=device.connection.driver))[:1]
    driver: type[Driver] = entry.load()
    return driver
