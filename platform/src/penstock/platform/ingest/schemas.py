"""What goes in and out at the ingest door."""

from typing import Annotated

from pydantic import BaseModel, Field, StrictBool, StrictFloat, StrictInt, StrictStr, StringConstraints

from penstock.core.values import INT64_MAX, INT64_MIN, TEXT_MAX_CHARS
from penstock.platform.kit.schemas import Input, Output, TagId

SAMPLES_MAX = 10_000
"""Samples of a JSON request; more go as Arrow or through a gateway."""
EPOCHS_MAX = 10_000
"""A gateway opens an epoch at each start and names all that its journal still holds."""

EpochId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Int64 = Annotated[int, Field(ge=INT64_MIN, le=INT64_MAX)]
Count = Annotated[int, Field(ge=0, le=INT64_MAX)]
Finite = Annotated[StrictFloat, Field(allow_inf_nan=False)]
Text = Annotated[StrictStr, StringConstraints(max_length=TEXT_MAX_CHARS)]


class WrittenSample(Input):
    """One sample of a small writer; `time` as everywhere in the API, `status` an OPC UA code."""

    tag: TagId
    time: Int64 | Annotated[str, StringConstraints(max_length=64)]
    value: StrictBool | StrictInt | Finite | Text | None
    status: int = Field(0, ge=0, le=0xFFFF_FFFF)


class Samples(Input):
    """The JSON body of a small writer."""

    samples: list[WrittenSample] = Field(min_length=1, max_length=SAMPLES_MAX)


class Written(Output):
    """The answer to a small writer, after the commit; `erased`: samples that others took the place of."""

    position: Count
    stored: Count
    duplicates: Count
    erased: Count = 0


class QuarantinedSeq(BaseModel):
    """A batch of which something was kept aside."""

    seq: Count
    reason: str = Field(max_length=100)


class EpochAnswer(BaseModel):
    """What is committed of an epoch, and what became of the request's batches of it."""

    epoch: EpochId
    watermark: Count
    above: list[Count] = Field(max_length=1000)
    position: Count
    committed: Count
    repeated: Count
    quarantined: list[QuarantinedSeq] = Field(max_length=100_000)


class FramesAnswer(EpochAnswer):
    """The answer to frames: the epoch of the first frame, and all when there are several."""

    epochs: list[EpochAnswer] = Field(default_factory=list, max_length=1000)


class SessionInput(Input):
    """A gateway states where its journal stands."""

    epoch: EpochId
    head: Count
    epochs: list[EpochId] = Field(default_factory=list, max_length=EPOCHS_MAX)


class EpochHead(Input):
    """The newest seq of an epoch."""

    epoch: EpochId
    head: Count


class HoldingInput(Input):
    """A gateway states what it holds of all that it journalled up to `as_of`, by its clock (ns UTC).

    `waiting`: batches that it does not know to be committed, `oldest`: when the first of them was journalled (null:
    there is none), `epochs`: the newest seq of each epoch with such batches.
    """

    as_of: Int64
    waiting: Count
    oldest: Int64 | None = None
    epochs: list[EpochHead] = Field(default_factory=list, max_length=EPOCHS_MAX)


class Taken(BaseModel):
    """The answer to a statement."""

    position: Count


class WatermarkOutput(BaseModel):
    """What is committed of an epoch."""

    watermark: Count
    above: list[Count] = Field(max_length=1000)


class SessionOutput(BaseModel):
    """The granted session, and what the historian holds of each epoch named."""

    session: Count
    position: Count
    watermarks: dict[str, WatermarkOutput]


class Superseded(BaseModel):
    """Requests refused since the platform's start because a newer session was granted; the last one in full."""

    count: Count
    session: Count
    by: Count
    at: str = Field(max_length=40)


class GatewayItem(BaseModel):
    """A gateway as the platform sees it; `lag_batches` is what it journalled and the historian has not."""

    id: str = Field(max_length=64)
    name: str = Field(max_length=200)
    last_seen: str | None = Field(max_length=40)
    session: Count
    epoch: str | None = Field(max_length=32)
    head: Count | None
    watermark: Count
    lag_batches: Count
    state: str = Field(description="online, offline, or never: enrolled and not seen", max_length=10)
    superseded: Superseded | None = Field(description="not null: a second sender may use this gateway's credential")
