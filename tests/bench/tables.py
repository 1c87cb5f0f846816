#!/usr/bin/env python3
"""The tables of docs/performance.md from the JSON lines of compare.py and inference.py.

  tables.py FILE... [--page docs/performance.md]

With --page, they replace what is between the page's two comments that name this script; otherwise they are printed.
"""
import argparse
import json
import re

NAMES = {"resnet18": "ResNet-18", "resnet50": "ResNet-50", "vgg16": "VGG-16", "mobilenet_v2": "MobileNetV2",
         "timm:vit_tiny_patch16_224": "ViT-Tiny", "timm:convnext_tiny": "ConvNeXt-Tiny",
         "efficientnet_lite0": "EfficientNet-Lite0"}
TITLES = {"all": "Training, everything unfrozen, images per second",
          "inference": "The frozen part, images per second",
          "last": "Last stage, 10 epochs, seconds",
          "head": "Head only, 10 epochs, seconds"}


def figure(x):
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def value(line):
    return figure(line.get("seconds", line["speed"]))


def table(head, rows):
    """Rows of cells; a missing cell is empty."""
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def best_fp32(line):
    peers = {name: peer for name, peer in line["peers"].items() if name.startswith("fp32")}
    return max(peers.values(), key=lambda peer: peer["speed"]) if peers else None


def ratio_row(lines, precision):
    cells = []
    for line in lines:
        ours, best = line["thaw"].get(precision), line["peers"][line["best"]]
        cells.append(f"**{line['ratio'][precision]:.2f}** ({value(ours)}, {value(best)})" if ours else "")
    return cells


def fp32_row(lines):
    cells = []
    for line in lines:
        ours, best = line["thaw"].get("fp32"), best_fp32(line)
        cells.append(f"{line['fp32_ratio']:.2f} ({value(ours)}, {value(best)})" if ours and best else "")
    return cells


def spread_row(lines):
    return [f"{min(r):.2f} to {max(r):.2f}" for r in (line["ratios"]["bf16"] for line in lines)]


def memory_row(lines):
    cells = []
    for line in lines:
        ours, best = line["thaw"]["bf16"]["mib"], line["peers"][line["best"]].get("mib")
        cells.append(f"{ours / best:.2f} ({ours:.0f}, {best:.0f})" if best else "")
    return cells


def tail_row(lines):
    cells = []
    for line in lines:
        tails = [line["thaw"].get(p, {}).get("tail_mib") for p in ("bf16", "fp32")]
        cells.append(f"{tails[0] / tails[1]:.2f} ({tails[0]:.0f}, {tails[1]:.0f})" if all(tails) else "")
    return cells


def main_table(kind, lines):
    rows = [["Thaw bf16 over the best", *ratio_row(lines, "bf16")], ["single rounds", *spread_row(lines)],
            ["the best", *(line["best"] for line in lines)], ["Thaw fp32 over the best", *ratio_row(lines, "fp32")],
            ["fp32 over the best in fp32", *fp32_row(lines)]]
    if kind != "inference":
        rows.append(["memory of the largest rank in bf16 over the best's, MiB", *memory_row(lines)])
    if kind == "all":
        rows.append(["memory of the tail, bf16 over fp32, MiB", *tail_row(lines)])
    return table(["", *(NAMES.get(line["network"], line["network"]) for line in lines)], rows)


def share_table(lines):
    """Shares of the peaks and the layers that lose most time, of training in bf16."""
    rows = []
    for line in lines:
        ours = line["thaw"]["bf16"]
        worst = "; ".join(f"`{name}` ({op}) {ms:.0f} ms, {100 * share:.0f} %" for name, op, ms, share in ours["worst"])
        rows.append([NAMES.get(line["network"], line["network"]), f"{100 * ours['peak_share']:.0f} %",
                     f"{100 * ours['sgemm_share']:.0f} %", worst])
    lose = "layers that lose most: time per step, share of the peak"
    return table(["", "of bfloat16's peak", "of sgemm's", lose], rows)


def text(lines):
    parts = []
    for kind in TITLES:
        for ranks, bn in sorted({(x["ranks"], x.get("bn", "")) for x in lines if x["row"] == kind}):
            rows = [x for x in lines if (x["row"], x["ranks"], x.get("bn", "")) == (kind, ranks, bn)]
            where = f"{ranks} process{'es' if ranks > 1 else ''}" + (", batch norm per lane" if bn == "lane" else "")
            parts.append(f"{TITLES[kind]}, {where}:\n\n{main_table(kind, rows)}")
            if kind == "all":
                parts.append(f"Shares of the peaks in bf16, {where}:\n\n{share_table(rows)}")
    return "\n\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="+")
    parser.add_argument("--page")
    args = parser.parse_args()
    lines = [json.loads(line) for path in args.file for line in open(path) if line.startswith("{")]
    tables = text([line for line in lines if line.get("row") in TITLES and "bf16" in line["thaw"]])
    if not args.page:
        print(tables)
        return
    with open(args.page) as f:
        page = f.read()
    page, count = re.subn(r"(<!-- tables.py: begin -->\n).*(<!-- tables.py: end -->)",
                          lambda m: f"{m[1]}{tables}\n{m[2]}", page, flags=re.S)
    if count != 1:
        parser.error(f"{args.page}: no comments <!-- tables.py: begin --> and <!-- tables.py: end -->")
    with open(args.page, "w") as f:
        f.write(page)


main()
