"""For tests of apps: a platform in the process, speaking the same API."""

from penstock.sdk.testing.fake import FakePlatform

__all__ = ["FakePlatform"]
