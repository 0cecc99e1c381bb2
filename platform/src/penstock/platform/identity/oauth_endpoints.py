"""Routes of OAuth2: metadata, keys, authorize, token, revoke."""

import base64
import binascii
from typing import Annotated, Any
from urllib.parse import unquote_plus, urlencode, urlsplit

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from penstock.platform.identity.clients import ClientDoor, oauth_error
from penstock.platform.identity.endpoints import address_of
from penstock.platform.identity.keys import ALGORITHM, SigningKeys
from penstock.platform.identity.model import Client
from penstock.platform.identity.oauth import CHALLENGE, Grant, TokenService
from penstock.platform.identity.people import People
from penstock.platform.identity.rights import cookie_name
from penstock.platform.identity.schemas import TokenAnswer
from penstock.platform.kit import pages
from penstock.platform.kit.access import SCOPES, Principal, client_secret, public, session
from penstock.platform.kit.db import Database

_TOKEN_HEADERS = {"Cache-Control": "no-store", "Pragma": "no-cache"}

Text = Annotated[str, Query(max_length=500)]
Field = Annotated[str, Form(max_length=1000)]


class OAuthEndpoints:
    """The authorization server's doors."""

    def __init__(
        self,
        db: Database,
        *,
        keys: SigningKeys,
        people: People,
        tokens: TokenService,
        door: ClientDoor,
        issuer: str,
    ) -> None:
        self._db = db
        self._keys = keys
        self._people = people
        self._tokens = tokens
        self._door = door
        self._issuer = issuer

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter(tags=["oauth"])
        open_door = [public("RFC 8414 and RFC 7517 are read by everybody")]
        router.get("/.well-known/oauth-authorization-server", dependencies=open_door)(self.metadata)
        router.get("/oauth/jwks.json", dependencies=open_door)(self.jwks)
        router.get("/oauth/authorize", response_class=Response)(self.authorize)
        router.post("/oauth/token", dependencies=[client_secret()], response_model=TokenAnswer)(self.token)
        router.post("/oauth/revoke", dependencies=[client_secret()], response_class=Response)(self.revoke)
        return router

    def metadata(self) -> dict[str, Any]:
        """Describe the authorization server (RFC 8414)."""
        methods = ["client_secret_basic", "client_secret_post"]
        return {
            "issuer": self._issuer,
            "authorization_endpoint": f"{self._issuer}/oauth/authorize",
            "token_endpoint": f"{self._issuer}/oauth/token",
            "revocation_endpoint": f"{self._issuer}/oauth/revoke",
            "jwks_uri": f"{self._issuer}/oauth/jwks.json",
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "access_token_signing_alg_values_supported": [ALGORITHM],
        }

    def jwks(self) -> dict[str, Any]:
        """Give the public keys of the tokens."""
        return self._keys.public()

    def authorize(
        self,
        request: Request,
        who: Annotated[Principal | None, session()],
        client_id: Text = "",
        redirect_uri: Text = "",
        response_type: Text = "",
        scope: Annotated[str, Query(max_length=1000)] = "",
        state: Text = "",
        code_challenge: Text = "",
        code_challenge_method: Text = "",
    ) -> Response:
        """Send a logged-in person back to the app with a code (RFC 6749 with PKCE); others log in first."""
        with self._db.reading() as reading:
            client = reading.get(Client, client_id) if client_id else None
        # Never redirect to an address that is not registered: show what is wrong here instead.
        if client is None or client.kind != "app" or redirect_uri not in client.redirect_uris:
            reason = (
                "This app or its return address is not registered here; after the platform's database was made anew no "
                "app of before is. Stop your own app and start it again by `penstock app run FOLDER`, which registers "
                "it; built-in apps are registered by the platform's start: start it again, then them."
            )
            return pages.render(request, "message.html", status=400, title="Not a registered app", message=reason)
        error = _wrong(response_type, state, code_challenge=code_challenge, method=code_challenge_method)
        if error:
            back = {"error": error[0], "error_description": error[1], "state": state, "iss": self._issuer}
            return _redirect(redirect_uri, back)
        found = self._people.of_session(request.cookies.get(cookie_name(self._issuer), "")) if who else None
        if found is None:
            here = f"{request.url.path}?{request.url.query}"
            return RedirectResponse(f"/login?{urlencode({'next': here})}", 303, headers=_TOKEN_HEADERS)
        user, browser = found
        if user.tenant != client.tenant:
            back = {"error": "access_denied", "error_description": "not your tenant's app", "state": state}
            return _redirect(redirect_uri, {**back, "iss": self._issuer})
        code = self._tokens.authorize(
            client, user, browser, redirect_uri=redirect_uri, scope=scope, challenge=code_challenge
        )
        return _redirect(redirect_uri, {"code": code, "state": state, "iss": self._issuer})

    def token(
        self,
        request: Request,
        grant_type: Field = "",
        code: Field = "",
        redirect_uri: Field = "",
        code_verifier: Field = "",
        refresh_token: Field = "",
        scope: Field = "",
        client_id: Field = "",
        client_secret: Field = "",
    ) -> Response:
        """Exchange a code, a refresh token or a client's secret for an access token."""
        client = self._client(request, client_id, client_secret)
        if grant_type == "client_credentials":
            grant = self._tokens.by_client(client, scope)
        elif grant_type == "authorization_code":
            grant = self._tokens.by_code(client, code=code, redirect_uri=redirect_uri, verifier=code_verifier)
        elif grant_type == "refresh_token":
            grant = self._tokens.by_refresh(client, refresh_token, scope)
        else:
            text = "grant_type is authorization_code, client_credentials or refresh_token."
            raise oauth_error(error="unsupported_grant_type", description=text)
        return JSONResponse(_answer(grant).model_dump(exclude_none=True), headers=_TOKEN_HEADERS)

    def revoke(
        self,
        request: Request,
        token: Field = "",
        client_id: Field = "",
        client_secret: Field = "",
        end_session: Annotated[bool, Form()] = False,
    ) -> Response:
        """Take back a token of this client; 200 also for one that is unknown (RFC 7009, 2.2).

        `end_session=true` with a person's refresh token logs the person out of the platform and of every app.
        """
        client = self._client(request, client_id, client_secret)
        if token:
            self._tokens.revoke(client, token, end_session=end_session)
        return Response(status_code=200)

    def _client(self, request: Request, client_id: str, secret: str) -> Client:
        basic = request.headers.get("authorization", "")
        if basic:
            client_id, secret = _basic(basic)
        if not client_id or not secret:
            text = "Send client_id and client_secret, as form fields or by HTTP Basic."
            raise oauth_error(error="invalid_client", description=text, status=401)
        return self._door.enter(client_id, secret, address_of(request))


def _wrong(response_type: str, state: str, *, code_challenge: str, method: str) -> tuple[str, str] | None:
    if response_type != "code":
        return "unsupported_response_type", "response_type must be code"
    if not state:
        return "invalid_request", "state is needed"
    if method != "S256" or not CHALLENGE.fullmatch(code_challenge):
        return "invalid_request", "PKCE is needed: code_challenge with code_challenge_method=S256"
    return None


def _redirect(uri: str, values: dict[str, str]) -> Response:
    joiner = "&" if urlsplit(uri).query else "?"
    return RedirectResponse(f"{uri}{joiner}{urlencode(values)}", 303, headers=_TOKEN_HEADERS)


def _basic(header: str) -> tuple[str, str]:
    scheme, _, text = header.partition(" ")
    try:
        decoded = base64.b64decode(text, validate=True).decode() if scheme.lower() == "basic" else ""
    except (ValueError, binascii.Error):
        decoded = ""
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        text = "The Authorization header is not HTTP Basic with client_id:client_secret."
        raise oauth_error(error="invalid_client", description=text, status=401)
    return unquote_plus(client_id), unquote_plus(secret)


def _answer(grant: Grant) -> TokenAnswer:
    return TokenAnswer(
        access_token=grant.access_token,
        expires_in=grant.expires_s,
        scope=grant.scope,
        refresh_token=grant.refresh_token,
        token_type="Bearer",  # noqa: S106 (a word of the protocol)
    )
