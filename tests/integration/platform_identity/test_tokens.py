"""B3: more than 500 wrong tokens, each answered 401; and rights that end at once."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from sqlalchemy import select

from penstock.platform.bootstrap import Platform
from penstock.platform.identity.model import User
from tests.builders.platform_control import (
    CHALLENGE,
    ISSUER,
    PASSWORD,
    VERIFIER,
    House,
    browser,
    furnish,
    running_platform,
)

pytestmark = pytest.mark.integration

VARIANTS_MIN = 500


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[Platform, House, House]]:
    async with running_platform(tmp_path) as platform:
        yield platform, furnish(platform, "north"), furnish(platform, "south")


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unpack(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, payload, signature = token.split(".")
    parts = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, payload)]
    return parts[0], parts[1], signature


def pack(header: object, payload: object, signature: str = "") -> str:
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(payload).encode())}.{signature}"


def hs256(header: object, payload: object, secret: bytes) -> str:
    signing = pack(header, payload).rpartition(".")[0]
    return f"{signing}.{b64(hmac.new(secret, signing.encode(), hashlib.sha256).digest())}"


def variants(platform: Platform, good: str, other_tenant: str) -> Iterator[tuple[str, str]]:
    """Give every wrong token with a word on what is wrong."""
    yield from (("bits", flipped) for flipped in bit_flips(good))
    yield from of_algorithm(platform, good)
    yield from of_header(platform, good)
    yield from of_times(platform, good)
    yield from of_claims(platform, good, unpack(other_tenant)[1])
    for text in ("", ".", "..", "...", "a.b", good + ".", "." + good, good + "=", good + "==", good + " x", good[:-1]):
        yield "mangled", text
    yield "twice", good + good
    yield "long", good + "A" * 100_000


def signed(platform: Platform, good: str, **claims: Any) -> str:
    """Sign changed claims with the platform's own key; `...` leaves one out."""
    header, payload, _ = unpack(good)
    merged = {name: value for name, value in (payload | claims).items() if value is not ...}
    return jwt.encode(header, merged, platform.keys.signing(), algorithms=["Ed25519"])


def of_algorithm(platform: Platform, good: str) -> Iterator[tuple[str, str]]:
    header, payload, signature = unpack(good)
    wrong: list[Any] = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "HS256",
        "HS512",
        "RS256",
        "ES256",
        "EdDSA",
        "PS256",
        None,
        1,
        [],
    ]
    for alg in wrong:
        yield f"alg {alg}", pack(header | {"alg": alg}, payload)
        yield f"alg {alg} with signature", pack(header | {"alg": alg}, payload, signature)
    public = platform.keys.public()["keys"][0]
    secrets = [json.dumps(public).encode(), base64.urlsafe_b64decode(public["x"] + "=="), public["x"].encode()]
    for secret in (*secrets, b"", b"secret", header["kid"].encode()):
        for alg in ("HS256", "Ed25519"):
            yield f"{alg} keyed with the public key", hs256(header | {"alg": alg}, payload, secret)
    for key in (RSAKey.generate_key(2048), ECKey.generate_key("P-256"), OctKey.generate_key(256)):
        alg = {"RSA": "RS256", "EC": "ES256", "oct": "HS256"}[key.key_type]
        yield f"foreign {alg}", jwt.encode(header | {"alg": alg}, payload, key, algorithms=[alg])


def of_header(platform: Platform, good: str) -> Iterator[tuple[str, str]]:
    header, payload, signature = unpack(good)
    own = OKPKey.generate_key("Ed25519")
    kids: list[Any] = [
        "",
        "../../etc/passwd",
        "/dev/null",
        "' OR 1=1 --",
        "0",
        header["kid"].upper(),
        header["kid"] + "\0",
    ]
    for kid in [*kids, "x" * 900, None, 1, ["a"], {"a": 1}]:
        yield f"kid {kid!r:.20}", pack(header | {"kid": kid}, payload, signature)
    for name in ("", "x", header["kid"]):
        yield f"own key as {name}", jwt.encode(header | {"kid": name}, payload, own, algorithms=["Ed25519"])
    yield "no kid", pack({name: value for name, value in header.items() if name != "kid"}, payload, signature)
    more: dict[str, Any] = {"jwk": own.as_dict(private=False), "jku": "http://127.0.0.1:1/keys", "crit": ["exp"]}
    for name, value in (more | {"x5u": "http://127.0.0.1:1", "b64": False, "zip": "DEF", "cty": "JWT"}).items():
        yield f"header {name}", pack(header | {name: value}, payload, signature)
    for typ in ("JWT", "jwt", "at+JWT", "id_token", "", "application/at+jwt"):
        token = jwt.encode(header | {"typ": typ}, payload, platform.keys.signing(), algorithms=["Ed25519"])
        yield f"typ {typ}", token


def of_times(platform: Platform, good: str) -> Iterator[tuple[str, str]]:
    now = int(time.time())
    for seconds in (1, 60, 3600, 10**9):
        yield f"expired {seconds}", signed(platform, good, exp=now - seconds)
        ahead = now + 60 + seconds
        yield f"of the future {seconds}", signed(platform, good, iat=ahead, exp=ahead + 900)
    for value in (None, "1", str(now + 900), -1, 0, 1e308, True, [now + 900], {"a": 1}, ...):
        yield f"exp {value!r}", signed(platform, good, exp=value)
    for value in (None, "1", str(now), 1.5, True, [now], {"a": 1}, ...):
        yield f"iat {value!r}", signed(platform, good, iat=value)


def of_claims(platform: Platform, good: str, theirs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    payload = unpack(good)[1]
    value: Any
    for value in ("", "penstock ", "Penstock", "other", None, ["penstock"], ["penstock", "x"], 1, ...):
        yield f"aud {value!r}", signed(platform, good, aud=value)
    for value in ("", ISSUER + "/", ISSUER.replace("http", "https"), "http://evil", None, [ISSUER], 1, ...):
        yield f"iss {value!r}", signed(platform, good, iss=value)
    for name in ("tenant", "client_id", "sub", "family"):
        yield f"{name} of another tenant", signed(platform, good, **{name: theirs[name]})
    for name in ("sub", "tenant", "client_id", "name", "scope", "jti", "kind", "cgen", "ugen", "family"):
        for value in (None, 1.5, [], {}, ..., True):
            yield f"{name} {value!r}", signed(platform, good, **{name: value})
    for kind in ("gateway", "app", "operator", "admin", "PERSON"):
        yield f"kind {kind}", signed(platform, good, kind=kind)
    for step in (-1, 1, 99):
        yield f"cgen {step}", signed(platform, good, cgen=payload["cgen"] + step)
        yield f"ugen {step}", signed(platform, good, ugen=payload["ugen"] + step)


def bit_flips(token: str) -> Iterator[str]:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place, letter in enumerate(token):
        if letter == ".":
            yield token[:place] + token[place + 1 :]
        else:
            yield token[:place] + alphabet[alphabet.index(letter) ^ (1 << (place % 6))] + token[place + 1 :]
    last = token[-1]
    for bit in range(6):  # the last letter has bits that decode to nothing
        yield token[:-1] + alphabet[alphabet.index(last) ^ (1 << bit)]


async def test_no_wrong_token_is_accepted(world: tuple[Platform, House, House]) -> None:
    platform, north, south = world
    good = north.tokens["admin"]
    accepted, count = [], 0
    async with browser(platform) as http:
        assert (await ask(http, good)).status_code == 200
        for name, token in variants(platform, good, south.tokens["admin"]):
            answer = await ask(http, token)
            count += 1
            if answer.status_code != 401:
                accepted.append((name, answer.status_code))
        assert (await ask(http, good)).status_code == 200
    assert accepted == []
    assert count >= VARIANTS_MIN


async def ask(http: httpx.AsyncClient, token: str) -> httpx.Response:
    raw = f"Bearer {token}".encode("latin-1", "replace")
    return await http.get("/v1/me", headers=[(b"Authorization", raw)])


async def test_rights_end_at_once(world: tuple[Platform, House, House]) -> None:
    platform, north, _ = world
    async with browser(platform) as http:
        admin = {"Authorization": f"Bearer {north.tokens['admin']}"}
        app = {"client_id": north.ids["client_id"], "client_secret": north.secrets["client"]}
        revoked = await http.post("/oauth/revoke", data=app | {"token": north.tokens["viewer"]})
        assert revoked.status_code == 200
        assert (await ask(http, north.tokens["viewer"])).status_code == 401
        assert (await ask(http, north.tokens["operator"])).status_code == 200

        await http.patch(f"/v1/apps/{north.ids['app_id']}", headers=admin, json={"scopes": ["assets:read"]})
        assert (await ask(http, north.tokens["app"])).json()["scopes"] == ["assets:read"]

        with platform.db.session() as session:
            query = select(User).where(User.tenant == north.tenant, User.name.startswith("engineer"))
            session.execute(query).scalar_one().role = "viewer"
        assert "assets:write" not in (await ask(http, north.tokens["engineer"])).json()["scopes"]

        secret = await http.post(f"/v1/apps/{north.ids['app_id']}/secret", headers=admin)
        assert secret.status_code == 200
        assert (await ask(http, north.tokens["app"])).status_code == 401
        assert (await ask(http, north.tokens["operator"])).status_code == 401


async def test_code_and_refresh_token_work_once(world: tuple[Platform, House, House]) -> None:
    platform, north, _ = world
    callback = "http://127.0.0.1:9000/canary-north"
    asked = {
        "client_id": north.ids["client_id"], "redirect_uri": callback, "response_type": "code", "state": "s",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", "scope": "assets:read",
    }  # fmt: skip
    login = platform.people.log_in("north/viewer-canary-north", PASSWORD, "192.0.2.9")
    assert login is not None
    async with browser(platform) as http:
        anonymous = await http.get("/oauth/authorize", params=asked)
        assert anonymous.headers["location"].startswith("/login?next=")
        http.cookies.set("penstock_session", login.cookie)
        for wrong in ({"redirect_uri": callback + "/x"}, {"client_id": "cla_x"}, {"redirect_uri": "http://evil"}):
            refused = await http.get("/oauth/authorize", params=asked | wrong)
            assert refused.status_code == 400
            assert "location" not in refused.headers
        for wrong in (
            {"code_challenge_method": "plain"},
            {"code_challenge": ""},
            {"state": ""},
            {"response_type": "token"},
        ):
            refused = await http.get("/oauth/authorize", params=asked | wrong)
            assert "error=" in refused.headers["location"]
            assert "code=" not in refused.headers["location"]
        answer = await http.get("/oauth/authorize", params=asked)
        code = httpx.URL(answer.headers["location"]).params["code"]
        client = {"client_id": north.ids["client_id"], "client_secret": north.secrets["client"]}
        form = client | {"grant_type": "authorization_code", "redirect_uri": callback, "code": code}
        first = await http.post("/oauth/token", data=form | {"code_verifier": VERIFIER})
        assert first.status_code == 200, first.text
        assert first.json()["scope"] == "assets:read"
        refresh = client | {"grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"]}
        second = await http.post("/oauth/token", data=refresh)
        assert second.status_code == 200
        stolen = await http.post("/oauth/token", data=refresh)
        assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
        assert (await ask(http, second.json()["access_token"])).status_code == 401
        replay = await http.post("/oauth/token", data=form | {"code_verifier": VERIFIER})
        assert replay.status_code == 400


async def test_wrong_verifier_burns_the_code(world: tuple[Platform, House, House]) -> None:
    platform, north, _ = world
    login = platform.people.log_in("north/viewer-canary-north", PASSWORD, "192.0.2.9")
    assert login is not None
    found = platform.people.of_session(login.cookie)
    assert found is not None
    callback = "http://127.0.0.1:9000/canary-north"
    _, client = platform.apps.get(north.tenant, north.ids["app_id"])
    code = platform.tokens.authorize(client, *found, redirect_uri=callback, scope="", challenge=CHALLENGE)
    form = {
        "grant_type": "authorization_code", "redirect_uri": callback, "code": code,
        "client_id": client.id, "client_secret": north.secrets["client"],
    }  # fmt: skip
    async with browser(platform) as http:
        for verifier in ("w" * 64, VERIFIER):
            answer = await http.post("/oauth/token", data=form | {"code_verifier": verifier})
            assert answer.json()["error"] == "invalid_grant"
