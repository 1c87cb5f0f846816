#!/usr/bin/env python3
"""Photographs in known places, to look at heat maps: placed.py PHOTOS OUT

Each JPEG file of the folder PHOTOS gives a picture of 448 x 448 pixels in the folder OUT, named NAME-QUARTER.png. It has
the photograph in one quarter, chosen at random, and around it the photograph blurred beyond recognition. Needs Pillow.
"""
import pathlib
import random
import sys

from PIL import Image, ImageFilter

SIDE, BLUR = 224, 60

photos, out = map(pathlib.Path, sys.argv[1:3])
out.mkdir(parents=True, exist_ok=True)
choice = random.Random(1)
for path in sorted(photos.glob("*.jpg")):
    image = Image.open(path).convert("RGB").resize((2 * SIDE, 2 * SIDE))
    picture, quarter = image.filter(ImageFilter.GaussianBlur(BLUR)), choice.randrange(4)
    picture.paste(image.resize((SIDE, SIDE)), (SIDE * (quarter % 2), SIDE * (quarter // 2)))
    picture.save(out / f"{path.stem}-{quarter}.png")
