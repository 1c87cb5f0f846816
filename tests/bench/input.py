#!/usr/bin/env python3
"""The input of Thaw against torchvision's on this machine, from the bytes of JPEG files to normalised tensors.

  input.py FOLDER [--files 250] [--rounds 5]

Takes the first files of a folder and its subfolders, all of which both sides have in memory. Evaluation: the shorter
side resized to 256, the middle 224 x 224; training: random resized crop to 224 x 224, mirror. torchvision decodes by
its own decode_jpeg and by Pillow, with transforms.v2 behind, and the faster one counts. Each side has one thread and its
time is that thread's processor time, in turns; prints medians of images/s and of the ratios as JSON lines. Needs torch,
torchvision, Pillow, and build/tests/bench/bench_input (make bench).
"""
import argparse
import io
import json
import pathlib
import statistics
import subprocess
import time

import PIL
import torch
import torchvision
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NORMALISE = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
CHOICES = {
    "evaluation": [v2.Resize(256, antialias=True), v2.CenterCrop(224)],
    "training": [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()],
}


def by_torchvision(data, choice):
    transform = v2.Compose(CHOICES[choice] + NORMALISE)
    for tensor in data:
        transform(decode_jpeg(tensor, mode=ImageReadMode.RGB))


def by_pillow(data, choice):
    transform = v2.Compose(CHOICES[choice] + [v2.ToImage()] + NORMALISE)
    for file in data:
        transform(Image.open(io.BytesIO(file)).convert("RGB"))


def images_per_second(make, data, choice):
    begin = time.thread_time()
    make(data, choice)
    return len(data) / (time.thread_time() - begin)


def thaw(program, files):
    lines = subprocess.run([program, *files], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    return {row["name"].removeprefix("input, "): row["images_per_second"] for row in rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--files", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", default="build/tests/bench/bench_input")
    args = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))[: args.files]
    data = [p.read_bytes() for p in files]
    tensors = [torch.frombuffer(bytearray(d), dtype=torch.uint8) for d in data]
    rounds = {choice: [] for choice in CHOICES}
    for _ in range(args.rounds + 1):
        ours = thaw(args.program, files)
        for choice in CHOICES:
            own = images_per_second(by_torchvision, tensors, choice)
            pillow = images_per_second(by_pillow, data, choice)
            rounds[choice].append((ours[choice], own, pillow, ours[choice] / max(own, pillow)))
    for choice, rows in rounds.items():
        ours, own, pillow, ratio = (statistics.median(column) for column in zip(*rows[1:]))  # the first warms up
        print(json.dumps({"input": choice, "images": len(files), "thaw": round(ours), "torchvision_io": round(own),
                          "torchvision_pillow": round(pillow), "ratio": round(ratio, 2),
                          "ratios": [round(row[-1], 2) for row in rows[1:]],
                          "versions": f"torch {torch.__version__}, torchvision {torchvision.__version__}, "
                                      f"Pillow {PIL.__version__}"}))


main()
