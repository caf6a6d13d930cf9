"""`picture.py JSON PNG`: bars of wall and CPU for each row, by client. For the interpreter that has matplotlib."""

import json
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

COLOURS = {"syncd": "#1b6ca8", "s5cmd": "#c9a227", "rclone": "#6aa36f", "aws": "#b5523b"}


def main(source: str, target: str) -> None:
    with open(source) as text:
        rows = [row for row in json.load(text)["rows"] if row["medians"]]
    figure, axes = pyplot.subplots(max(1, len(rows)), 2, figsize=(11, 1.5 * len(rows) + 0.8), squeeze=False)
    for line, row in zip(axes, rows):
        for axis, metric, word in zip(line, ("wall_s", "cpu_s"), ("wall s", "CPU s")):
            names = [f"{one['client']} {one['variant']}" for one in row["medians"]]
            colours = [COLOURS.get(one["client"].partition(",")[0], "#777777") for one in row["medians"]]
            drawn = axis.barh(names, [one[metric] for one in row["medians"]], color=colours)
            axis.bar_label(drawn, fmt="%.2f", padding=2, fontsize=7)
            axis.invert_yaxis()
            axis.margins(x=0.12)
            axis.tick_params(labelsize=7)
            axis.set_title(f"{row['name']}, {word}", fontsize=8, loc="left")
            for side in ("top", "right"):
                axis.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(target, dpi=75)


if __name__ == "__main__":
    main(*sys.argv[1:])
