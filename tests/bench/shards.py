#!/usr/bin/env python3
"""Tar shards in Thaw against Python's webdataset with torchvision's decoding, on one core of this machine.

  shards.py FOLDER [--rounds 5] [--passes 1]

FOLDER: shards that thaw pack wrote with train-*.tar (thaw pack pictures FOLDER --shards 8 --shuffle). Both sides read all
training images from the page cache and make normalised tensors of 224 x 224. Evaluation: the shorter side resized to
256, the middle 224 x 224; training: random resized crop to 224 x 224, mirror. webdataset reads the shards in sequence,
Thaw in a random order. torchvision decodes by its own decode_jpeg and by Pillow, with transforms.v2 behind, and the faster
one counts. Each side has one thread and its time is that thread's processor time, in turns; prints medians of images/s
and of the ratios as JSON lines. Needs torch, torchvision, Pillow, webdataset, and build/tests/bench/bench_shards (make
bench). Start it with taskset -c 0, so that both sides have the same core.
"""
import argparse
import io
import json
import pathlib
import statistics
import subprocess
import time

import torch
import torchvision
import webdataset
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NORMALISE = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
CHOICES = {
    "evaluation": [v2.Resize(256, antialias=True), v2.CenterCrop(224)],
    "training": [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()],
}


def by_torchvision(choice):
    transform = v2.Compose(CHOICES[choice] + NORMALISE)
    return lambda file: transform(decode_jpeg(torch.frombuffer(bytearray(file), dtype=torch.uint8),
                                              mode=ImageReadMode.RGB))


def by_pillow(choice):
    transform = v2.Compose(CHOICES[choice] + [v2.ToImage()] + NORMALISE)
    return lambda file: transform(Image.open(io.BytesIO(file)).convert("RGB"))


def images_per_second(shards, make):
    images = 0
    begin = time.thread_time()
    for sample in webdataset.WebDataset(shards, shardshuffle=False):
        make(sample["jpg"])
        int(sample["cls"])
        images += 1
    return images / (time.thread_time() - begin)


def thaw(program, folder, passes):
    lines = subprocess.run([program, folder, str(passes)], stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = [json.loads(line) for line in lines.splitlines()]
    return {row["name"].removeprefix("shards, "): row.get("images_per_second") for row in rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--program", default="build/tests/bench/bench_shards")
    args = parser.parse_args()
    torch.set_num_threads(1)
    shards = [str(p) for p in sorted(args.folder.glob("train-*.tar"))]
    rounds = {choice: [] for choice in CHOICES}
    for _ in range(args.rounds + 1):
        ours = thaw(args.program, args.folder, args.passes)
        for choice in CHOICES:
            own = images_per_second(shards, by_torchvision(choice))
            pillow = images_per_second(shards, by_pillow(choice))
            rounds[choice].append((ours[choice], own, pillow, ours[choice] / max(own, pillow)))
    for choice, rows in rounds.items():
        ours, own, pillow, ratio = (statistics.median(column) for column in zip(*rows[1:]))  # the first warms up
        print(json.dumps({"shards": choice, "thaw": round(ours), "torchvision_io": round(own),
                          "torchvision_pillow": round(pillow), "ratio": round(ratio, 2),
                          "ratios": [round(row[-1], 2) for row in rows[1:]],
                          "versions": f"webdataset {webdataset.__version__}, torch {torch.__version__}, "
                                      f"torchvision {torchvision.__version__}"}))


main()
