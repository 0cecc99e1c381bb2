"""The monitoring app: what the plant does now, and whether everything it said has arrived."""

__all__ = ["main"]


def main() -> None:
    """Run the app; its pages are loaded here, not by who imports a part of it."""
    from penstock.apps.monitoring.bootstrap import main as run

    run()
