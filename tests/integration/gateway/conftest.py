"""The real platform, and a gateway that may enrol with it; tests against the fake platform have a gateway of theirs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.gateway import GatewayProcess
from tests.builders.platform_process import PlatformProcess


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[PlatformProcess]:
    process = PlatformProcess(tmp_path / "cloud")
    process.start()
    yield process
    process.kill()


@pytest.fixture
def gateway(tmp_path: Path, platform: PlatformProcess) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path / "edge-1", platform.url)
    process.extra["PENSTOCK_GATEWAY_ENROL_TOKEN_FILE"] = str(platform.token_file)
    yield process
    process.kill()
