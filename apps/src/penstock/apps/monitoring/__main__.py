"""`python -m penstock.apps.monitoring`."""

from penstock.apps.monitoring.bootstrap import main

if __name__ in ("__main__", "__mp_main__"):
    main()
