"""How the model judges, in words, with the numbers that are set."""

from __future__ import annotations

from nicegui import ui

from penstock.apps.house.figures import duration_text, number_text
from penstock.apps.house.tables import Cell, Row, Table
from penstock.apps.house.widgets import card, title
from penstock.apps.maintenance.frame import frame
from penstock.apps.maintenance.settings import MaintenanceSettings
from penstock.apps.maintenance.worker import Fleet
from penstock.apps.maintenance.zones import MEANING, Boundaries, Zone
from penstock.sdk.app import Context


async def page(ctx: Context, fleet: Fleet) -> None:
    """Explain the model."""
    with frame(ctx, here="/model", title="How it judges") as _:
        title("How health is judged")
        settings = fleet.settings
        for heading, paragraphs in explanation(settings):
            with card(heading), ui.element("div").classes("ps-prose"):
                for text in paragraphs:
                    with ui.element("p"):
                        ui.label(text)
        with card(f"Evaluation zones ({settings.zones})"):
            table = Table(["Zone", "Meaning", "›Vibration velocity, rms"])
            table.show(zone_rows(settings.model().zones))
            ui.label(
                "These hold for a machine whose attribute machine_group names no others: a group and support of "
                "ISO 20816-3, or three limits in mm/s."
            ).classes("ps-sub")


def zone_rows(zones: Boundaries) -> list[Row]:
    """Write the zones with their boundaries."""
    edges = {
        Zone.A: f"below {number_text(zones.ab, digits=2)} mm/s",
        Zone.B: f"from {number_text(zones.ab, digits=2)} mm/s",
        Zone.C: f"from {number_text(zones.bc, digits=2)} mm/s",
        Zone.D: f"from {number_text(zones.cd, digits=2)} mm/s",
    }
    tones = {Zone.A: "good", Zone.B: "good", Zone.C: "warn", Zone.D: "bad"}
    return [
        Row(z.value, (Cell(z.value, "chip", tones[z]), Cell(MEANING[z].capitalize()), Cell(edges[z], "num")))
        for z in Zone
    ]


def explanation(settings: MaintenanceSettings) -> list[tuple[str, list[str]]]:
    """Give headings with their paragraphs."""
    model = settings.model()
    shortest = duration_text(model.settle_s + model.baseline_min_windows * model.window_s)
    longest = duration_text(model.baseline_windows * model.window_s)
    change = number_text(model.zones.significant_change, digits=2)
    return [
        (
            "What is watched",
            [
                "Every asset to which a vibration velocity is bound, whatever its name. Accelerations count as bearing "
                "bands; temperatures of the machine, not of its surroundings, count too. Power, current, flow or "
                "speed, the first of them that is there, tells the operating point.",
            ],
        ),
        (
            "The baseline",
            [
                f"While the machine is healthy the app learns, from windows of {duration_text(model.window_s)}, what "
                f"each channel reads at which operating point. After {shortest} of healthy running the baseline is "
                f"used, after {longest} it is complete and stays, also through a repair. Until then the zones alone "
                f"judge. A machine at rest is not judged, and the first {duration_text(model.settle_s)} after a start "
                "teach nothing.",
            ],
        ),
        (
            "The judgement",
            [
                "A vibration velocity is judged against the zones below, and against its baseline in steps of "
                f"{change} mm/s, a quarter of the upper limit of zone B, which ISO 20816-1 calls a significant change; "
                "the worse of both counts.",
                f"A bearing band counts from half of {number_text(model.band_step_db, digits=2)} dB above its "
                f"baseline, a temperature from half of {number_text(model.temperature_step_k, digits=2)} K. The median "
                f"of the last {model.median_windows} windows is judged, so that one knock is not wear.",
                "The worst channel of each kind speaks for it. The kinds are joined by their Euclidean length, and a "
                "channel's share of the lost points is what the bars show. A bearing band, the first to rise, warns "
                "early but cannot bring the health to 0 alone.",
            ],
        ),
        (
            "The part",
            [
                "Once the health is below its limit, what the channels deviate by, and which way, is held against the "
                "failure modes of the machine's type: each names its part and its signs, the most telling first. "
                "Measured signs of any mode are watched beside the vibration and cost no health. It looks again after "
                "1, 2, 4 … windows; later looks weigh more.",
                "Where two or three modes fit about equally, all of them are named; where none fits, the part is "
                "unknown; one channel that alone has left what was expected, and is no telling sign, is taken for its "
                "sensor. Zone C asks for action this week, zone D now, and so does a health that falls to 0 within "
                "the notice of the repair.",
            ],
        ),
        (
            "The alarm",
            [
                "For each machine the app has made a rule in the platform, once: health below "
                f"{settings.limit:g} % for {duration_text(settings.on_delay_s)}, deadband {settings.deadband:g} "
                f"points, severity {settings.severity}. Change or remove it there; the app does not put it back.",
                "After a repair the readings return to the baseline, and the health with them.",
            ],
        ),
    ]
