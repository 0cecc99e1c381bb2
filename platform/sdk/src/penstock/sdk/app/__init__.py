"""App framework (extra `app`): NiceGUI pages with the platform's login.

>>> app = App(__file__)
>>> @app.page("/")
... async def index(ctx: Context) -> None: ...
>>> app.run()
"""

from penstock.sdk.app.application import App
from penstock.sdk.app.context import Context
from penstock.sdk.app.settings import AppSettings
from penstock.sdk.app.theme import Theme
from penstock.sdk.manifest import Manifest, ManifestError, load_manifest

__all__ = ["App", "AppSettings", "Context", "Manifest", "ManifestError", "Theme", "load_manifest"]
