"""Writes CIFAR's binary version and its Python version (protocols 2 and 4) of a folder of images: cifar_forms.py IMAGES
FOLDER. IMAGES has train/ and test/, each with one folder per class; the images come in that order. All images are decoded
here, by Pillow, so FOLDER also gets them as PNG."""
import pathlib
import pickle
import sys

import numpy as np
from PIL import Image

images, folder = map(pathlib.Path, sys.argv[1:3])
classes = sorted(path.name for path in (images / "train").iterdir())


def read(split):
    pixels, labels = [], []
    for label, name in enumerate(classes):
        out = folder / "png" / split / name
        out.mkdir(parents=True, exist_ok=True)
        for path in sorted((images / split / name).iterdir()):
            image = Image.open(path).convert("RGB")
            image.save(out / (path.name + ".png"), compress_level=1)
            pixels.append(np.asarray(image).transpose(2, 0, 1).reshape(-1))
            labels.append(label)
    return np.stack(pixels), labels


def write(name, pixels, labels):
    records = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], axis=1)
    (folder / "binary" / f"{name}.bin").write_bytes(records.tobytes())
    for protocol in (2, 4):
        with open(folder / f"pickle{protocol}" / name, "wb") as f:
            pickle.dump({"labels": labels, "data": pixels}, f, protocol=protocol)


for form in ("binary", "pickle2", "pickle4"):
    (folder / form).mkdir(parents=True, exist_ok=True)
pixels, labels = read("train")
bounds = [len(labels) * k // 5 for k in range(6)]
for k in range(5):
    write(f"data_batch_{k + 1}", pixels[bounds[k]:bounds[k + 1]], labels[bounds[k]:bounds[k + 1]])
write("test_batch", *read("test"))
(folder / "binary" / "batches.meta.txt").write_text("\n".join(classes) + "\n")
for protocol in (2, 4):
    with open(folder / f"pickle{protocol}" / "batches.meta", "wb") as f:
        pickle.dump({"label_names": classes}, f, protocol=protocol)
