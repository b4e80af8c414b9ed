"""Three small plots of a table of flows: top talkers, sizes, durations. Needs matplotlib (the extra ``plot``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nfuse.cli.report import count

if TYPE_CHECKING:
    from nfuse.control.flow_table import FlowTable

FORMATS = (".png", ".svg", ".pdf")
FORWARD, REVERSE = "#2b6cb0", "#9cc3e6"
GREY = "#6b7280"


def check(path: str, monitor: str) -> None:
    """Make sure that a plot can be drawn, before anything is run.

    Raises:
        UsageError: The file's name ends in something else, the chain has no Monitor, or matplotlib is missing.
    """
    if not path.lower().endswith(FORMATS):
        raise click.UsageError(f"--plot {path}: expected a name that ends in {', '.join(FORMATS)}")
    if not monitor:
        raise click.UsageError(
            "--plot draws bytes and durations, which a Monitor counts: the chain has none. Add `- Monitor` to it."
        )
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise click.UsageError("--plot needs matplotlib: pip install 'nfuse[plot]'") from None


def draw(path: str, flows: FlowTable, talkers: int = 10) -> None:
    """Draw the plots of a table that is sorted already, into a .png, .svg or .pdf file.

    Args:
        path: The file.
        flows: The sessions; their chain has a Monitor.
        talkers: Bars of the first plot.

    Raises:
        PortError: The file can't be written.
    """
    from matplotlib.figure import Figure

    from nfuse.port.errors import PortError

    shown = flows.top(talkers)
    figure: Any = Figure(figsize=(12, 3 + 0.12 * max(0, len(shown) - 10)), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.5, 1, 1))
    _talkers(left, shown)
    _distribution(middle, flows.total("bytes") / 1, "bytes of a flow", "Sizes")
    _distribution(right, flows.total("duration") / 1000, "seconds from first to last packet", "Durations")
    figure.suptitle(
        f"{flows.chain.name}: {count(len(flows))} {'flow' if len(flows) == 1 else 'flows'}",
        x=0.01,
        ha="left",
        fontsize=11,
        weight="bold",
    )
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise PortError(f"{path}: the plot can't be written: {error.strerror}") from None


def _talkers(axes: Any, flows: FlowTable) -> None:
    """Draw a bar for each flow, the first one on top: bytes of both directions."""
    from matplotlib.ticker import MaxNLocator

    from nfuse.cli.flows import opening
    from nfuse.cli.report import size

    names = [" ".join((row[0], f"{row[1]} > {row[2]}")) for row in map(opening, flows.rows())]
    sent, back = (flows.total("bytes", way) for way in ("forward", "reverse"))
    places = range(len(names))
    axes.barh(places, sent, color=FORWARD, label="opening direction")
    if back.any():
        axes.barh(places, back, left=sent, color=REVERSE, label="replies")
        axes.legend(frameon=False, fontsize=7, loc="lower right")
    axes.set_yticks(places, names, fontsize=7)
    axes.set_ylim(max(len(names), 6) - 0.5, -0.5)  # the first one on top
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda value, _: size(value))
    _plain(axes, "Top talkers", "")


def _distribution(axes: Any, values: Any, label: str, title: str) -> None:
    """Draw which share of the flows is at most so large, on a logarithmic axis where the values spread."""
    import numpy as np

    values = np.sort(values)
    if len(values) and values[0] == values[-1]:
        axes.text(0.5, 0.5, f"all: {values[0]:g}", transform=axes.transAxes, ha="center", fontsize=9, color=GREY)
        axes.set_xticks([])
    elif len(values):
        shares = np.arange(len(values) + 1) / len(values)
        axes.step(np.concatenate([values[:1], values]), shares, where="post", color=FORWARD)
        least = float(values[values > 0][0])
        if values[-1] > 100 * least:  # zeros have a place on it too
            axes.set_xscale("symlog", linthresh=least)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    _plain(axes, title, label)
    axes.set_ylabel("share of flows", fontsize=8, color=GREY)


def _plain(axes: Any, title: str, label: str) -> None:
    """Take away what carries no information."""
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xlabel(label, fontsize=8, color=GREY)
    axes.tick_params(labelsize=7, colors=GREY, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
