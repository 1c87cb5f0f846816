"""Compares VGG-16 as a fully convolutional network with torchvision's, from its weights and from its ONNX export: at
224 pixels with the network as it is, at 448 with the mean over the grid of its linear layers as convolutions.

    python tests/compare/fully_conv.py THAW [WEIGHTS.pth]

Without weights they are torchvision's random ones. PyTorch computes in double precision. Prints the largest difference
of the logits, less their mean, in relation to the largest of them; it must be below 1e-4.
"""
import json
import math
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torchvision
from PIL import Image
from torch.nn.functional import conv2d

TOLERANCE = 1e-4
SIDE, FACTOR, GRID = 224, 2, 7
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OPENBLAS_NUM_THREADS="1")


def picture(side, path):
    """A smooth random image, saved as PNG, and as the network gets it."""
    small = np.random.default_rng(side).integers(0, 256, (side // 32, side // 32, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)
    image.save(path)
    pixels = torch.tensor(np.array(image)).permute(2, 0, 1).double() / 255
    return ((pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)).unsqueeze(0)


def dense(net, x):
    """The mean of the logits at all positions; of one position, what net itself computes."""
    first, second, last = (layer for layer in net.classifier if isinstance(layer, torch.nn.Linear))
    x = net.features(x)
    x = conv2d(x, first.weight.view(len(first.weight), x.shape[1], GRID, GRID), first.bias).relu()
    x = conv2d(x, second.weight[:, :, None, None], second.bias).relu()
    return conv2d(x, last.weight[:, :, None, None], last.bias).mean((2, 3))[0]


def ours(thaw, model, side, path, classes):
    """The logits of a picture, less their mean: the logarithms of the probabilities are that but for a constant."""
    said = subprocess.run([thaw, "predict", "--model", model, "--fully-conv", "--size", str(side), "--crop", "none",
                           "--mean", ",".join(map(str, MEAN)), "--std", ",".join(map(str, STD)),
                           "--top", str(classes), "--json", path], check=True, capture_output=True, env=ENV)
    logits = torch.zeros(classes, dtype=torch.double)
    for p in json.loads(said.stdout)["images"][0]["predictions"]:
        logits[p["class"]] = math.log(p["probability"])
    return logits - logits.mean()


def main():
    thaw, torch.backends.mkldnn.enabled = sys.argv[1], False
    state = torch.load(sys.argv[2], map_location="cpu") if len(sys.argv) > 2 else None
    torch.manual_seed(1)
    net = torchvision.models.vgg16(num_classes=len(state["classifier.6.bias"]) if state else 1000).eval()
    if state:
        net.load_state_dict(state)
    classes, worst = net.classifier[6].out_features, 0
    with tempfile.TemporaryDirectory() as work, torch.no_grad():
        weights, graph = os.path.join(work, "vgg16.pth"), os.path.join(work, "vgg16.onnx")
        torch.save(net.state_dict(), weights)
        torch.onnx.export(net, torch.zeros(1, 3, SIDE, SIDE), graph, dynamo=False)
        net.double()
        for side in SIDE, FACTOR * SIDE:
            path = os.path.join(work, f"{side}.png")
            x = picture(side, path)
            theirs = net(x)[0] if side == SIDE else dense(net, x)
            theirs -= theirs.mean()
            for model in f"vgg16:{weights}", graph:
                difference = float((ours(thaw, model, side, path, classes) - theirs).abs().max() / theirs.abs().max())
                print(f"{os.path.basename(model)} at {side}: {difference:.2g}")
                worst = max(worst, difference)
    sys.exit(not worst < TOLERANCE)


if __name__ == "__main__":
    main()
