"""Writes tests/golden/resize.json: digests of a generated image resized by Pillow and transformed by torchvision.

The image is the same as in tests/unit/pattern.h. Run: python tests/golden/make_resize.py
"""
import ctypes
import json
import pathlib

import numpy
from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional

xxhash = ctypes.CDLL("libxxhash.so.0")
xxhash.XXH3_64bits.restype = ctypes.c_uint64
xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
OTHERS = {"nearest": Image.NEAREST, "box": Image.BOX, "hamming": Image.HAMMING, "lanczos": Image.LANCZOS}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def digest(data):
    return f"{xxhash.XXH3_64bits(data, len(data)):016x}"


def pattern(width, height):
    i = numpy.arange(width * height * 3, dtype=numpy.uint32)
    noise = (i * numpy.uint32(2654435761)) >> numpy.uint32(24)
    hard = (i // 97) % 3 * 127  # edges, where bicubic overshoots
    values = numpy.where((i // 1000) % 2 == 0, noise, hard).astype(numpy.uint8)
    return Image.fromarray(values.reshape(height, width, 3))


def columns_first(image, target, filter, box):
    """Image.resize in the order of passes that Thaw uses; Pillow 13 sometimes takes rows first."""
    across = image.resize((target[0], image.height), filter, (box[0], 0, box[2], image.height))
    return across.resize(target, filter, (0, box[1], target[0], box[3]))


resizes = []
sizes = [(1, 1), (2, 2), (3, 5), (7, 7), (16, 16), (17, 40), (64, 48), (65, 47), (100, 33), (224, 224), (130, 301)]
for source in [(64, 48), (1, 1), (3, 200), (201, 151), (257, 33)]:
    for target in sizes:
        for name, filter in (FILTERS | OTHERS).items():
            whole = (0, 0, *source)
            part = (0.25 * source[0], 0.125 * source[1], 0.75 * source[0], source[1])
            for box in (whole, part):
                made = columns_first(pattern(*source), target, filter, box)
                box_size = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
                resizes.append([*source, *box_size, *target, name, digest(made.tobytes())])

evaluations = []
for source in [(64, 64), (64, 48), (48, 64), (201, 151), (151, 202), (30, 300), (500, 375), (33, 33)]:
    for size, resize in [(32, 36), (32, 32), (33, 38), (64, 64), (48, 40), (47, 40), (224, 256)]:
        for name, filter in FILTERS.items():
            mode = transforms.InterpolationMode(name)
            made = transforms.Compose([
                transforms.Resize(resize, interpolation=mode),
                transforms.CenterCrop(size),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ])(pattern(*source))
            data = made.permute(1, 2, 0).contiguous().numpy().tobytes()
            evaluations.append([*source, size, resize, name, digest(data)])

jitters = []
for factors in [(0.6, 1.0, 1.0), (1.4, 1.0, 1.0), (1.0, 0.7, 1.0), (1.0, 1.3, 1.0), (1.0, 1.0, 0.5), (1.2, 0.8, 1.4)]:
    made = functional.pil_to_tensor(pattern(40, 40))
    made = functional.adjust_brightness(made, factors[0])
    made = functional.adjust_contrast(made, factors[1])
    made = functional.adjust_saturation(made, factors[2])
    jitters.append([*factors, digest(made.permute(1, 2, 0).contiguous().numpy().tobytes())])

path = pathlib.Path(__file__).parent / "resize.json"


def lines(rows):
    return ",\n".join(json.dumps(r) for r in rows)


path.write_text(
    '{"resize": [\n%s\n],\n"eval": [\n%s\n],\n"jitter": [\n%s\n]}\n' % (lines(resizes), lines(evaluations), lines(jitters))
)
