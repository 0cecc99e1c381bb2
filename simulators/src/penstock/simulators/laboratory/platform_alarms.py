"""Reading a platform's alarms, where the operator allows it: two questions with a credential that may only read.

The truth knows nothing of it and nothing of the truth goes there: what is asked is the same whatever is broken. The
token is asked for with `alarms:read assets:read` alone, whatever more the client might be given.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from penstock.core.alarm import AlarmEvent, AlarmState
from penstock.core.times import parse_rfc3339_ns
from penstock.simulators.laboratory.episodes import Alarm

SCOPE: Final = "alarms:read assets:read"
PAST: Final = "7d-ago"
PAGE: Final = 1000
PAGES_MAX: Final = 10
ALARMS_MAX: Final = 1000
EVERY_s: Final = 2.0
WATCHED_s: Final = 30.0
"""So long after somebody last looked the platform is still asked."""
TIMEOUT_s: Final = 5.0
TOKEN_SPARE_s: Final = 30.0
log = logging.getLogger(__name__)


class ClientFile(BaseModel):
    """The credentials file."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    client_id: str
    client_secret: str


class PlatformAlarms:
    """Hold the newest alarms of a platform; `problem` says in words why there are none, or why they are old."""

    def __init__(
        self,
        url: str,
        credentials: Path,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url.rstrip("/")
        self.alarms: Sequence[Alarm] = ()
        self.problem = "the platform has not been asked yet"
        self._credentials, self._transport, self._now_s = credentials, transport, now_s
        self._token, self._token_until_s = "", 0.0
        self._paths: dict[str, str] = {}
        self._known: dict[str, tuple[tuple[str, str], Sequence[Alarm]]] = {}
        self._looked_s = float("-inf")
        self._wanted = asyncio.Event()

    def look(self) -> None:
        """Say that somebody looks at the page."""
        self._looked_s = self._now_s()
        self._wanted.set()

    async def run(self) -> None:
        """Ask for ever, while somebody looks."""
        async with httpx.AsyncClient(
            base_url=self.url, timeout=TIMEOUT_s, trust_env=False, transport=self._transport
        ) as http:
            while True:
                await self._wanted.wait()
                try:
                    await self.read(http)
                except Exception as error:  # boundary: a platform's answer must not stop the machines
                    log.exception("the platform's alarms cannot be read")
                    self._say(f"its answer cannot be read ({type(error).__name__}); the log says why")
                if self._now_s() - self._looked_s > WATCHED_s:
                    self._wanted.clear()
                await asyncio.sleep(EVERY_s)

    async def read(self, http: httpx.AsyncClient) -> None:
        """Ask once; a failure is told in `problem`, what was known stays."""
        try:
            headers = {"Authorization": f"Bearer {await self._bearer(http)}"}
            items = await _pages(http, "/v1/alarms", headers, start=PAST, most=ALARMS_MAX)
            if any(item["asset"] and item["asset"] not in self._paths for item in items):
                assets = await _pages(http, "/v1/assets", headers, most=PAGE * PAGES_MAX)
                self._paths = {str(asset["id"]): str(asset["path"]) for asset in assets}
            self.alarms = [alarm for item in items for alarm in await self._activations(http, headers, item)]
        except httpx.HTTPStatusError as error:
            self._token = ""
            self._say(f"the platform answers {error.response.status_code} to {error.request.url.path}")
        except httpx.HTTPError as error:
            self._say(f"the platform at {self.url} does not answer ({type(error).__name__})")
        except OSError as error:
            self._say(f"its credential cannot be read: {error}")
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            self._say(f"what it answers is not understood: {error}")
        else:
            self._say("")

    def _say(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.warning("alarms of the platform: %s", problem)
        self.problem = problem

    async def _activations(
        self, http: httpx.AsyncClient, headers: Mapping[str, str], item: Mapping[str, Any]
    ) -> Sequence[Alarm]:
        """Give an alarm as often as it became active: one that nobody acknowledges lasts over several faults."""
        alarm = _alarm(item, self._paths)
        if item.get("activated", item["raised"]) == item["raised"]:
            return (alarm,)
        key = (str(item["activated"]), str(item["cleared"]))
        known = self._known.get(alarm.id)
        if known is None or known[0] != key:
            entries = await _pages(http, f"/v1/alarms/{alarm.id}/journal", headers, most=PAGE)
            self._known[alarm.id] = known = (key, tuple(activations(alarm, entries)))
        return known[1]

    async def _bearer(self, http: httpx.AsyncClient) -> str:
        if not self._token or self._now_s() > self._token_until_s:
            text = await asyncio.to_thread(self._credentials.read_text)
            client = ClientFile.model_validate_json(text)
            form = {"grant_type": "client_credentials", "scope": SCOPE}
            answer = await http.post("/oauth/token", data=form, auth=(client.client_id, client.client_secret))
            told = answer.raise_for_status().json()
            self._token = str(told["access_token"])
            self._token_until_s = self._now_s() + float(told["expires_in"]) - TOKEN_SPARE_s
        return self._token


async def _pages(
    http: httpx.AsyncClient, path: str, headers: Mapping[str, str], *, most: int, **asked: str
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(found) < most:
        params = {**asked, "limit": str(min(PAGE, most))} | ({"cursor": cursor} if cursor else {})
        body = (await http.get(path, params=params, headers=dict(headers))).raise_for_status().json()
        found += body["items"]
        cursor = body["next"]
        if not cursor:
            break
    return found[:most]


def _alarm(item: Mapping[str, Any], paths: Mapping[str, str]) -> Alarm:
    def time_of(name: str) -> int | None:
        return None if item[name] is None else parse_rfc3339_ns(item[name])

    raised_ns = time_of("raised")
    assert raised_ns is not None, "an alarm was raised"
    return Alarm(
        id=str(item["id"]),
        asset=paths.get(item["asset"] or "", ""),
        name=str(item["rule_name"]),
        message=_words(str(item["message"])),
        severity=int(item["severity"]),
        raised_ns=raised_ns,
        acknowledged_ns=time_of("acknowledged"),
        cleared_ns=time_of("cleared"),
    )


def activations(alarm: Alarm, journal: Iterable[Mapping[str, Any]]) -> Iterator[Alarm]:
    """Part an alarm into the spans in which it was active, by its journal, oldest first."""
    begun_ns: int | None = None
    for entry in journal:
        if entry["event"] == AlarmEvent.ACTIVATE:
            begun_ns = parse_rfc3339_ns(entry["time"])
        elif begun_ns is not None and not AlarmState(entry["after"]).is_active:
            yield replace(alarm, raised_ns=begun_ns, cleared_ns=parse_rfc3339_ns(entry["time"]))
            begun_ns = None
    if begun_ns is not None:
        yield replace(alarm, raised_ns=begun_ns, cleared_ns=None)


def _words(message: str) -> str:
    """Give an alarm's message as a sentence: an app may send JSON."""
    if not message.startswith("{"):
        return message
    try:
        told = json.loads(message)
    except ValueError:
        return message
    return ", ".join(f"{name} {told[name]}" for name in ("part", "kind", "mode") if told.get(name)) or message
