"""Pictures of how the system has been doing, as SVG. A page shows them as images; each has a table of its figures."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

from pygal import Line, StackedBar
from pygal.graph.graph import Graph
from pygal.style import Style

from events.names import CLOCK_GROUP, WORKER_GROUP, projector_group
from web.console import labels
from web.console.sampling import Sample, Sampler
from web.operations.queries import Ages

_CONSUMERS = {WORKER_GROUP: "worker", CLOCK_GROUP: "clock", projector_group("status"): "status"}
"""Consumers whose lag is drawn; the table beside has all."""
_MAX_DAYS = 4
Translate = Callable[[str], str]

_COLOURS = ("#b3122d", "#1f6feb", "#2da44e", "#bf8700", "#8250df", "#57606a")
_DARK_COLOURS = ("#ff8fa0", "#6cb0ff", "#6fd08c", "#f0b64a", "#c4a0ff", "#a9aeb6")


def _style(*, dark: bool) -> Style:
    ink, paper, quiet = ("#e6e6e6", "#1b1d20", "#5b5f66") if dark else ("#1d1d1f", "#ffffff", "#c9ccd1")
    return Style(
        background=paper,
        plot_background=paper,
        foreground=ink,
        foreground_strong=ink,
        foreground_subtle=quiet,
        guide_stroke_color=quiet,
        major_guide_stroke_color=quiet,
        colors=_DARK_COLOURS if dark else _COLOURS,
        font_family="system-ui, sans-serif",
    )


def _drawn(chart: Graph) -> str:
    """Draw without the script that the library adds: images run none."""
    chart.add_xml_filter(_without_scripts)
    return chart.render()


def _without_scripts(root: Element) -> Element:
    for parent in root.iter():
        for child in list(parent):
            if str(child.tag).endswith("script"):
                parent.remove(child)
    return root


def _settings(title: str, *, dark: bool) -> Mapping[str, Any]:
    return {
        "title": title,
        "no_data_text": "",
        "style": _style(dark=dark),
        "js": (),
        "width": 720,
        "height": 300,
        "legend_at_bottom": True,
        "show_minor_x_labels": False,
        "x_labels_major_count": 5,
        "truncate_legend": -1,
        "truncate_label": -1,
        "min_scale": 1,
        "max_scale": 6,
        "order_min": 0,
        "include_x_axis": True,
        "show_dots": False,
        "stroke_style": {"width": 2},
        "disable_xml_declaration": True,
    }


def _times(moments: Sequence[datetime], zone: ZoneInfo) -> list[str]:
    # To the second, as the library draws every label that reads like one of the few it should draw.
    return [moment.astimezone(zone).strftime("%H:%M:%S") for moment in moments]


def lag(samples: Sequence[Sample], zone: ZoneInfo, translate: Translate, *, dark: bool) -> str:
    """Draw how many messages each consumer was behind."""
    chart = Line(**_settings(translate("Messages behind"), dark=dark))
    chart.x_labels = _times([sample.at for sample in samples], zone)
    for consumer, name in _CONSUMERS.items():
        behind = [{one.consumer: one.messages for one in sample.lags} for sample in samples]
        chart.add(name, [one.get(consumer) for one in behind])
    return _drawn(chart)


def throughput(sampler: Sampler, zone: ZoneInfo, translate: Translate, *, dark: bool) -> str:
    """Draw how many commands were answered, and events projected, a second."""
    rates = list(sampler.throughput())
    chart = Line(**_settings(translate("Per second"), dark=dark))
    chart.x_labels = _times([at for at, _, _ in rates], zone)
    chart.add(translate("Commands answered"), [round(commands, 1) for _, commands, _ in rates])
    chart.add(translate("Events projected"), [round(events, 1) for _, _, events in rates])
    return _drawn(chart)


def returns(ages: Sequence[Ages], translate: Translate, *, dark: bool) -> str:
    """Draw the open returns by phase and by whole days since they were requested."""
    chart = StackedBar(**_settings(translate("Open returns by age in days"), dark=dark))
    chart.x_labels = [str(day) if day < _MAX_DAYS else f"{_MAX_DAYS}+" for day in range(_MAX_DAYS + 1)]
    counts = {(one.phase, one.days): one.returns for one in ages}
    for phase in dict.fromkeys(one.phase for one in ages):
        name = translate(labels.PHASE.get(phase, phase))
        chart.add(name, [counts.get((phase, day), 0) for day in range(_MAX_DAYS + 1)])
    return _drawn(chart)
