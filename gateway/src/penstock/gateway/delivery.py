"""From a journal to a platform: the gateway's identity there, and the uplink under it.

The journal goes on whether or not there is a platform. A gateway without a credential enrols with its token file as
soon as that holds a good token. A credential that changed (`penstock gateway enrol`) is taken up while running. A
platform that gives this gateway another id knows nothing of it: then all that the reserve holds is numbered anew and
delivered again.
"""

import asyncio
import logging
import secrets
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from penstock.core.dictionary import DictionaryEntry
from penstock.core.errors import ConfigError
from penstock.core.uplink import DictionaryChanged, Synced, Trimmed
from penstock.gateway.credential import Credential, begin_enrolment, load_credential, store_credential
from penstock.gateway.journal.store import Appended, Epoch, JournalStore
from penstock.gateway.platform_client import UNKNOWN_CLIENT, UNTRUSTED, Answer, PlatformClient
from penstock.gateway.settings import Settings
from penstock.gateway.statement import Statement
from penstock.gateway.trust import Trust
from penstock.gateway.uplink import UplinkShell

log = logging.getLogger(__name__)

GATEWAY_ID = "gateway"
CREDENTIAL_POLL_S = 1.0
ENROL_RETRY_S = 5.0


class NotEnrolled(Exception):
    """Say why there is no credential yet, and the command to run."""


@dataclass(slots=True)
class Delivery:
    """Own the journal's epochs and deliver them; `epoch` is the one that is appended to, a fresh one at each start.

    A journal from an older disk image then never numbers other batches with seqs that were sent before.
    """

    settings: Settings
    url: str
    store: JournalStore
    dictionary: Callable[[], Sequence[DictionaryEntry]]
    on_released: Callable[[], None]
    now_ns: Callable[[], int]
    settled_ns: Callable[[], int]
    """Give the time up to which everything that is stamped so is journalled."""
    trust: Trust | None = field(init=False)
    """Whom to take for the platform; None where the way is plain HTTP."""
    epoch: Epoch = field(init=False)
    head: int = field(init=False)
    """Highest synced seq of the current epoch."""
    shell: UplinkShell | None = None
    problem: str = ""

    def __post_init__(self) -> None:
        self.trust = trust_of(self.settings, self.url)
        self.epoch = self.store.open_epoch(new_epoch_id(), self.now_ns())
        self.head = 0

    async def run(self) -> None:
        """Deliver until cancelled, under the credential that there is."""
        while True:
            credential = await self._credential()
            try:
                await self._deliver(credential)
            finally:
                self.shell = None

    def on_journalled(self, appended: Appended) -> None:
        """Tell the uplink what was synced."""
        if not appended.batches:
            return
        self.head = appended.batches[-1].seq
        if self.shell is not None:
            self.shell.post(Synced(appended.epoch, self.head))

    def on_trimmed(self, epochs: Sequence[Epoch]) -> None:
        """Tell the uplink what the journal no longer holds."""
        if self.shell is not None:
            for epoch in epochs:
                self.shell.post(Trimmed(epoch.id, epoch.trimmed))

    def on_dictionary(self) -> None:
        """Tell the uplink that the dictionary has grown or changed."""
        if self.shell is not None:
            self.shell.post(DictionaryChanged(self.epoch.id))

    def explain(self, answer: Answer) -> str:
        """Say what a refusal means for this gateway, with the command to run where there is one."""
        if answer.problem == "journal":
            return answer.detail
        if answer.problem == UNTRUSTED:
            return untrusted(self.settings, answer)
        if answer.status == 0:
            return f"no answer from the platform ({answer.detail}); what is journalled waits"
        if answer.problem == UNKNOWN_CLIENT:
            return (
                f"the platform at {self.url} does not know this gateway's credential: was its database made anew, or "
                f"the gateway enrolled elsewhere? The journal is kept. {enrol_hint(self.settings)}: what the reserve "
                "holds is then delivered again"
            )
        text = f"the platform at {self.url} answered {answer.status} {answer.problem}".rstrip()
        return f"{text}: {answer.detail}" if answer.detail else text

    async def _credential(self) -> Credential:
        while True:
            try:
                credential = load_credential(self.settings.credential_file)
                if credential is not None:
                    return credential
                return await self._enrol()
            except (NotEnrolled, ConfigError) as error:
                if self.problem != str(error):
                    self.problem = str(error)
                    log.warning("uplink: %s", self.problem)
            await asyncio.sleep(ENROL_RETRY_S)

    async def _enrol(self) -> Credential:
        token_file = self.settings.enrol_token_file
        try:
            token = token_file.read_text(encoding="utf-8").strip() if token_file else ""
        except (OSError, UnicodeDecodeError):
            token = ""
        if not token and not self.settings.enrolment_file.exists():
            where = f"; no token in {token_file}" if token_file else ""
            message = f"this gateway is not enrolled{where}. {enrol_hint(self.settings)}"
            raise NotEnrolled(message)
        return await enrol(self.settings, self.url, token)

    async def _deliver(self, credential: Credential) -> None:
        await asyncio.to_thread(self._adopt_for, credential)
        context = self.trust.context if self.trust else None
        async with PlatformClient(self.url, credential, context) as client:
            self.shell = UplinkShell(
                self.store,
                client,
                self.dictionary,
                self._open_epoch,
                self.on_released,
                self.explain,
                self.now_ns,
            )
            self.problem = ""
            work = asyncio.create_task(self.shell.run(), name="uplink")
            watch = asyncio.create_task(self._credential_changed(credential), name="uplink-credential")
            statement = Statement(self.store, client, self.shell, self.settled_ns)
            others = [watch, asyncio.create_task(statement.run(), name="uplink-statement")]
            if self.trust is not None:
                others.append(asyncio.create_task(self.trust.follow(client.authorities), name="uplink-trust"))
            try:
                await asyncio.wait([work, *others], return_when=asyncio.FIRST_COMPLETED)
                for task in (work, *others):
                    if task.done():
                        task.result()
                log.info("uplink: another credential, starting again with it")
            finally:
                for task in (work, *others):
                    task.cancel()
                await asyncio.gather(work, *others, return_exceptions=True)

    async def _credential_changed(self, now: Credential) -> None:
        while True:
            await asyncio.sleep(CREDENTIAL_POLL_S)
            try:
                stored = load_credential(self.settings.credential_file)
            except ConfigError:
                continue
            if stored is not None and stored != now:
                return

    def _adopt_for(self, credential: Credential) -> None:
        """Renumber the journal where it was delivered to a platform that knew this gateway by another id."""
        known = self.store.meta(GATEWAY_ID)
        if known is not None and known != credential.gateway:
            moved = self.store.adopt(new_epoch_id(), self.now_ns())
            self.epoch = self.store.epochs()[-1]
            self.head = self.epoch.head
            log.warning(
                "journal: the platform knows this gateway as %s, not %s: %d batches of the journal go to it again",
                credential.gateway,
                known,
                moved,
            )
        self.store.set_meta(GATEWAY_ID, credential.gateway)

    def _open_epoch(self, _reason: str) -> str:
        self.epoch = self.store.open_epoch(new_epoch_id(), self.now_ns())
        self.head = 0
        return self.epoch.id


def new_epoch_id() -> str:
    """Give a random epoch id, 32 hex digits."""
    return secrets.token_hex(16)


def enrol_hint(settings: Settings) -> str:
    """Give the two commands that enrol this gateway, to be copied into a shell."""
    file, name = shlex.quote(str(settings.enrol_token_file or "FILE")), shlex.quote(settings.name)
    return (
        f"Make a token where the platform runs: `penstock platform enrol-token --name {name} > {file}`, "
        f"then here: `penstock gateway enrol --token-file {file}`"
    )


def trust_of(settings: Settings, url: str) -> Trust | None:
    """Give whom to take for the platform at `url`; None for plain HTTP, ConfigError for a bundle that is none."""
    if not url.startswith("https://"):
        return None
    return Trust(settings.platform_ca, settings.learnt_ca_file)


def untrusted(settings: Settings, answer: Answer) -> str:
    """Say what to do about a certificate that is refused."""
    bundle = settings.platform_ca or "FILE, set as PENSTOCK_GATEWAY_PLATFORM_CA"
    return (
        f"the platform's certificate is refused ({answer.detail}); nothing is sent, what is journalled waits. If this "
        f"is the right platform, give its authorities: there `penstock ca export > {bundle}`. If it does not have "
        "the name by which it is called here, add that to PENSTOCK_PLATFORM_TLS_NAMES there"
    )


async def enrol(settings: Settings, url: str, token: str) -> Credential:
    """Trade the token for a credential and store it; NotEnrolled says why not.

    What is asked with is on the disk first. A gateway that is killed before it has stored the answer, or never hears
    it, asks again with the same; without a token, with what it began with.
    """
    enrolment = await asyncio.to_thread(begin_enrolment, settings.enrolment_file, token)
    if enrolment is None:
        message = f"this gateway is not enrolled, and there is no token. {enrol_hint(settings)}"
        raise NotEnrolled(message)
    trust = trust_of(settings, url)
    async with PlatformClient(url, None, trust.context if trust else None) as client:
        answer = await client.enrol(enrolment.token, settings.name, enrolment.client_secret)
    if answer.problem == UNTRUSTED:
        raise NotEnrolled(untrusted(settings, answer))
    if answer.status == 0:
        message = f"not enrolled yet, no answer from the platform ({answer.detail})"
        raise NotEnrolled(message)
    try:
        if not answer.ok:
            if answer.status == 401:
                settings.enrolment_file.unlink(missing_ok=True)
            raise KeyError(answer.problem)
        document = answer.document
        credential = Credential(*(str(document[key]) for key in ("gateway", "client_id", "client_secret")))
    except KeyError as error:
        why = (answer.detail or answer.problem or str(answer.status)).rstrip(".")
        message = f"the platform at {url} refused to enrol {settings.name!r}: {why}. {enrol_hint(settings)}"
        raise NotEnrolled(message) from error
    await asyncio.to_thread(store_credential, settings.credential_file, credential)
    settings.enrolment_file.unlink(missing_ok=True)
    log.info("enrolled at %s as %s", url, credential.gateway)
    return credential
