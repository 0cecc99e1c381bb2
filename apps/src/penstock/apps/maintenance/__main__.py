"""`python -m penstock.apps.maintenance`."""

from penstock.apps.maintenance.bootstrap import main

if __name__ in ("__main__", "__mp_main__"):
    main()
