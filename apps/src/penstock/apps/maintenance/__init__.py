"""The maintenance app: a health index for every machine with a vibration sensor, with its evidence."""

__all__ = ["main"]


def main() -> None:
    """Run the app; its pages are loaded here, since the analytics are also used without them."""
    from penstock.apps.maintenance.bootstrap import main as run

    run()
