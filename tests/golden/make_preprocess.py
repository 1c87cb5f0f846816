"""Writes tests/golden/preprocess.json: configurations as timm and transformers write them, and their input.

The image is that of tests/unit/pattern.h. Needs transformers too. Run: python tests/golden/make_preprocess.py
"""
import json
import pathlib

import numpy
import timm.data
import transformers
from PIL import Image

WIDTH, HEIGHT = 61, 47
HALF, IMAGENET = [0.5, 0.5, 0.5], ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def pattern(width, height):
    i = numpy.arange(width * height * 3, dtype=numpy.uint32)
    noise = (i * numpy.uint32(2654435761)) >> numpy.uint32(24)
    hard = (i // 97) % 3 * 127
    pixels = numpy.where(i // 1000 % 2 == 0, noise, hard).astype(numpy.uint8)
    return Image.fromarray(pixels.reshape(height, width, 3))


def flat(level):
    return Image.new("RGB", (WIDTH, HEIGHT), (level, level, level))


def row(name, file, config, prepare):
    """`step` is how much the input changes with one level of 8 bits."""
    made = numpy.asarray(prepare(pattern(WIDTH, HEIGHT)), dtype=numpy.float64)
    centre = tuple(s // 2 for s in made.shape[1:])
    steps = [numpy.asarray(prepare(flat(v)), dtype=numpy.float64)[(slice(None), *centre)] for v in (100, 101)]
    every = 11 if made.shape[1] < 100 else 1001
    values = made.transpose(1, 2, 0).reshape(-1)[::every]
    return {"name": name, "file": file, "config": json.dumps(config), "size": made.shape[1],
            "step": float(numpy.abs(steps[1] - steps[0]).max()), "every": every,
            "values": [float(f"{v:.5g}") for v in values]}


def timm_row(name, nested=True, **cfg):
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, pretrained_cfg=cfg, model=None))
    config = {"architecture": "net", "num_classes": 5, "pretrained_cfg": cfg} if nested else cfg
    return row("timm " + name, "config.json", config, lambda image: transform(image.copy()))


def processor(kind):
    for name in (kind + "ImageProcessorPil", kind + "ImageProcessor"):
        if hasattr(transformers, name):
            return getattr(transformers, name)
    raise LookupError(kind)


def prepare_with(made):
    def prepare(image):
        if isinstance(made, transformers.VivitImageProcessor):
            return made([numpy.asarray(image)], return_tensors="np")["pixel_values"][0][0]
        return made(image, return_tensors="np")["pixel_values"][0]
    return prepare


def written(kind, name, **values):
    """A configuration as this version of transformers writes it."""
    made = processor(kind)(**values)
    return row(f"{kind} {name}", "preprocessor_config.json", json.loads(made.to_json_string()), prepare_with(made))


def as_is(kind, name, key, ending, **values):
    """A configuration as on the Hub, with absent keys."""
    made = processor(kind)(**values)
    return row(f"{kind} {name}", "preprocessor_config.json", values | {key: kind + ending}, prepare_with(made))


def old(kind, name, **values):
    return as_is(kind, name, "feature_extractor_type", "FeatureExtractor", **values)


def short(kind, name, **values):
    return as_is(kind, name, "image_processor_type", "ImageProcessorFast", **values)


def padded(kind, name, **values):
    """The two backends pad an odd number of pixels differently; that of torchvision is the default."""
    made = getattr(transformers, kind + "ImageProcessor")(**values)
    config = values | {"image_processor_type": kind + "ImageProcessor"}
    return row(f"{kind} {name}", "preprocessor_config.json", config, prepare_with(made))


def square(side):
    return {"height": side, "width": side}


def edge(side):
    return {"shortest_edge": side}


rows = [
    timm_row("all", input_size=[3, 32, 32], crop_pct=0.9, interpolation="bicubic", mean=IMAGENET[0], std=IMAGENET[1],
             crop_mode="center", test_input_size=[3, 40, 40], test_crop_pct=1.0, fixed_input_size=False),
    timm_row("no crop_pct", input_size=[3, 35, 35], interpolation="bilinear", mean=HALF, std=HALF),
    timm_row("defaults", input_size=[3, 32, 32]),
    timm_row("top level", nested=False, input_size=[3, 33, 33], crop_pct=1.0, interpolation="nearest"),
    timm_row("squash", input_size=[3, 32, 32], crop_pct=0.9, crop_mode="squash", interpolation="bicubic"),
    timm_row("border", input_size=[3, 32, 32], crop_pct=1.0, crop_mode="border", interpolation="bicubic"),
    timm_row("border and crop", input_size=[3, 32, 32], crop_pct=0.8, crop_mode="border", mean=HALF, std=HALF),
    timm_row("lanczos", input_size=[3, 36, 36], crop_pct=0.95, interpolation="lanczos"),
    timm_row("box", input_size=[3, 32, 32], crop_pct=0.9, interpolation="box"),
    timm_row("hamming", input_size=[3, 32, 32], crop_pct=0.9, interpolation="hamming"),
    timm_row("bilinear", input_size=[3, 32, 32], crop_pct=0.95, interpolation="bilinear", mean=[0, 0, 0],
             std=[1, 1, 1]),
    timm_row("null", input_size=[3, 32, 32], crop_pct=None, crop_mode=None, interpolation="bicubic"),
    written("ViT", "written", size=square(32)),
    written("ViT", "fast name", size=square(40), resample=3, do_convert_rgb=True),
    short("ViT", "short", size=square(32)),
    old("ViT", "number", size=32, image_mean=HALF, image_std=HALF, resample=2, do_normalize=True, do_resize=True),
    short("ViT", "one mean", size=square(32), image_mean=0.25, image_std=0.5),
    written("DeiT", "written", size=square(40), crop_size=square(32)),
    old("DeiT", "numbers", size=40, crop_size=33, resample=3),
    written("Beit", "written", size=square(40), crop_size=square(32), do_center_crop=True),
    written("ConvNext", "below 384", size=edge(32)),
    old("ConvNext", "number", size=36, crop_pct=0.95, resample=3, image_mean=IMAGENET[0], image_std=IMAGENET[1]),
    written("ConvNext", "384", size=edge(384)),
    written("Levit", "written", size=edge(32), crop_size=square(32)),
    old("Levit", "number", size=37, crop_size=35),
    short("Levit", "square", size=square(40), crop_size=square(32)),
    written("PoolFormer", "written", size=edge(32), crop_size=square(32)),
    short("PoolFormer", "square", size=square(32), crop_size=square(32), crop_pct=0.8),
    written("EfficientNet", "written", size=square(32)),
    written("EfficientNet", "offset", size=square(40), rescale_factor=1 / 127.5, rescale_offset=True, resample=0,
            do_center_crop=True, crop_size=square(32), include_top=False),
    short("EfficientNet", "only top", size=square(32), do_normalize=False,
          image_std=[0.47853944, 0.4732864, 0.47434163]),
    written("MobileViT", "written", size=edge(38), crop_size=square(32)),
    old("MobileViT", "short", size=edge(36), crop_size=33, resample=2),
    short("MobileViT", "RGB", size=edge(38), crop_size=square(32), do_flip_channel_order=False),
    written("MobileNetV1", "written", size=edge(40), crop_size=square(35)),
    written("MobileNetV2", "written", size=edge(40), crop_size=square(32)),
    written("CLIP", "written", size=edge(32), crop_size=square(32)),
    old("CLIP", "number", size=36, crop_size=32, do_center_crop=True, resample=3),
    padded("CLIP", "padded", size=edge(32), crop_size=square(48)),
    written("Bit", "lanczos", size=edge(36), crop_size=square(32), resample=1, image_mean=IMAGENET[0],
            image_std=IMAGENET[1]),
    short("Bit", "box", size=edge(36), crop_size=square(32), resample=4),
    short("Bit", "hamming", size=edge(36), crop_size=square(32), resample=5),
    short("Bit", "not resized", do_resize=False, crop_size=square(36)),
    written("Siglip", "written", size=square(32)),
    written("Pvt", "written", size=square(32)),
    written("Blip", "written", size=square(32)),
    written("Segformer", "written", size=square(32), do_reduce_labels=True),
    written("ChineseCLIP", "written", size=edge(32), crop_size=square(32)),
    short("Pvt", "not normalised", size=square(32), do_normalize=False),
    short("Pvt", "not rescaled", size=square(32), do_rescale=False, image_mean=[120, 110, 100], image_std=[60, 61, 62]),
    short("Pvt", "levels", size=square(32), do_rescale=False, do_normalize=False),
    short("Pvt", "rescaled", size=square(32), rescale_factor=1 / 127.5, image_mean=[1, 1, 1], image_std=[1, 2, 3]),
    written("Vivit", "written", size=edge(36), crop_size=square(32)),
    short("Vivit", "no offset", size=edge(36), crop_size=square(32), offset=False, rescale_factor=1 / 255),
]

path = pathlib.Path(__file__).parent / "preprocess.json"
path.write_text("[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "\n]\n")
print(len(rows), path.stat().st_size)
