#!/usr/bin/env python3
"""Plants copies and wrong labels in a dataset of photographs and measures how many of them thaw check finds.

Usage: check_planted.py THAW DATA WORK [--model M] [--seed N]

DATA has train/CLASS/*.jpg and test/CLASS/*.jpg. A copy of it, made in WORK, receives exact copies of 1 % of the images
in the other split, copies of 2 % that are cropped by up to a tenth at each side and compressed again, and wrong labels for
3 % of the training images. Duplicates that DATA has before anything is planted are found by a check of their own and
are not counted. Prints recall and precision of each kind.
"""
import argparse
import glob
import io
import json
import os
import random
import shutil
import subprocess

from PIL import Image


def check(thaw, data, model):
    command = [thaw, "check", data, "--json"] + (["--model", model] if model else [])
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def pairs_of(result, issue):
    rows = [i["images"] for i in result["issues"] if i["issue"] == issue][0]
    return {frozenset((r["image"], r["other_image"])) for r in rows}


def crop(path, to, rng):
    image = Image.open(path).convert("RGB")
    w, h = image.size
    l, t, r, b = (rng.uniform(0, 0.1) for _ in range(4))
    image = image.crop((round(l * w), round(t * h), round(w - r * w), round(h - b * h)))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=rng.randint(60, 90))
    with open(to, "wb") as f:
        f.write(data.getvalue())


def plant(data, rng):
    """Returns the planted exact pairs, near pairs and mislabelled images, as names below `data`."""
    files = sorted(os.path.relpath(f, data) for f in glob.glob(f"{data}/t*/*/*"))
    rng.shuffle(files)
    n = len(files)
    exact, near, wrong = set(), set(), set()
    other = {"train": "test", "test": "train"}
    for i, name in enumerate(files[: n // 100 + n // 50]):
        split, label, base = name.split("/")
        copy = f"{other[split]}/{label}/planted_{base}"
        if i < n // 100:
            shutil.copy(f"{data}/{name}", f"{data}/{copy}")
            exact.add(frozenset((name, copy)))
        else:
            crop(f"{data}/{name}", f"{data}/{copy}", rng)
            near.add(frozenset((name, copy)))
    classes = sorted(os.listdir(f"{data}/train"))
    rest = [f for f in files[n // 100 + n // 50 :] if f.startswith("train/")]
    for name in rest[: round(0.03 * len(files))]:
        _, label, base = name.split("/")
        to = f"train/{rng.choice([c for c in classes if c != label])}/wrong_{base}"
        os.rename(f"{data}/{name}", f"{data}/{to}")
        wrong.add(to)
    return exact, near, wrong


def original(name):
    return name.split("/")[2].removeprefix("planted_").removeprefix("wrong_")


def show(kind, planted, found, right):
    """planted: how many; found: those that count; right: those of them that were planted."""
    print(f"{kind:6} planted {planted:3}  found {found:3}  right {right:3}  "
          f"recall {right / max(1, planted):.3f}  precision {right / max(1, found):.3f}")


def show_copies(kind, found, planted, known):
    """A copy counts once, whether it is paired with its original or with another copy that was there before."""
    same = [p for p in found if len(set(map(original, p))) == 1 or frozenset(map(original, p)) in known]
    copies = {n for p in planted for n in p if "/planted_" in n}
    right = {n for p in same for n in p} & copies
    wrong = [p for p in found if p not in same]
    show(kind, len(copies), len(right) + len(wrong), len(right))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("thaw")
    p.add_argument("data")
    p.add_argument("work")
    p.add_argument("--model")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    rng = random.Random(a.seed)
    before = check(a.thaw, a.data, a.model)
    shutil.rmtree(a.work, ignore_errors=True)
    shutil.copytree(a.data, a.work)
    exact, near, wrong = plant(a.work, rng)
    after = check(a.thaw, a.work, a.model)
    # Pairs of pictures that were duplicates before, whatever their copies are called now.
    known = {frozenset(map(original, p)) for k in ("exact-duplicate", "near-duplicate") for p in pairs_of(before, k)}
    show_copies("exact", pairs_of(after, "exact-duplicate"), exact, known)
    show_copies("near", pairs_of(after, "near-duplicate"), near, known)
    if a.model:
        labels = {r["image"] for i in after["issues"] if i["issue"] == "label" for r in i["images"]}
        show("label", len(wrong), len(labels), len(labels & wrong))


main()
