"""Compares whole networks with torchvision at 224x224: logits, and the gradient of every tensor, entry by entry.

    make build/tests/compare/dump_network
    python tests/compare/networks.py build/tests/compare/dump_network [NETWORK...]

Weights are torchvision's random ones with batch norm statistics of a real pass; PyTorch computes in double precision.
Logits have to be within 1e-3, relative in L2. So have gradients, unless PyTorch's own single precision is further
from the truth: among millions of inputs of a ReLU a few lie so close to zero that rounding moves them across, and
each moves the gradient by far more than rounding. (tests/golden/make_networks.py picks inputs where none does.)
"""
import os
import subprocess
import sys
import tempfile

import torch
import torchvision.models as tv
from safetensors.torch import load_file, save_file
from torch import nn

TOLERANCE = 1e-3
IMAGES, SIDE = 2, 224
LOGITS = ("logits", "inference")
NETWORKS = {"resnet50": tv.resnet50, "vgg16": tv.vgg16, "mobilenet_v2": tv.mobilenet_v2}


def distance(ours, theirs):
    return float((ours.double() - theirs.double()).norm() / theirs.double().norm())


def prepare(make, x):
    """A network whose moving statistics fit its random weights, in inference mode."""
    torch.manual_seed(1)
    model = make().train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.uniform_(module.bias, -0.1, 0.1)
    with torch.no_grad():
        model(x)
    return model.eval()


def check_copy(model, copy):
    """What Thaw saved loads strictly and is what it was."""
    state = {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(copy, strict=True)
    assert all(torch.equal(copy[k], v) for k, v in state.items() if not k.endswith("num_batches_tracked"))


def pytorch(model, x, labels):
    """Logits and gradients by name."""
    model.zero_grad()
    logits = model(x)
    nn.functional.cross_entropy(logits, labels).backward()
    found = {k: p.grad.clone() for k, p in model.named_parameters()}
    found["logits"] = found["inference"] = logits.detach()
    return found


def report(who, apart):
    gradients = sorted(v for k, v in apart.items() if k not in LOGITS)
    print(f"  {who}: logits {apart['logits']:.2g}, of inference {apart['inference']:.2g}; {len(gradients)} gradients, "
          f"median {gradients[len(gradients) // 2]:.2g}, worst {gradients[-1]:.2g}", flush=True)
    return gradients[-1]


def compare(name, dump):
    torch.manual_seed(2)
    x, labels = torch.randn(IMAGES, 3, SIDE, SIDE), torch.arange(IMAGES) * 377
    model = prepare(NETWORKS[name], torch.randn(8, 3, SIDE, SIDE))
    with tempfile.TemporaryDirectory() as folder:
        path = {k: os.path.join(folder, k + ".safetensors") for k in ("model", "input", "output", "copy")}
        save_file(model.state_dict(), path["model"])
        save_file({"images": x, "labels": labels}, path["input"])
        subprocess.run([dump, path["model"], path["input"], path["output"], path["copy"]], check=True)
        ours, copy = load_file(path["output"]), load_file(path["copy"])
    check_copy(model, copy)

    single = pytorch(model, x, labels)
    double = pytorch(model.double(), x.double(), labels)
    assert double.keys() == ours.keys(), double.keys() ^ ours.keys()
    print(f"{name}: distance from PyTorch in double precision")
    apart = {k: distance(ours[k], v) for k, v in double.items()}
    worst = report("Thaw", apart)
    allowed = max(TOLERANCE, report("PyTorch in single precision", {k: distance(single[k], v) for k, v in double.items()}))
    return max(apart[k] for k in LOGITS) <= TOLERANCE and worst <= allowed


def main():
    dump, names = sys.argv[1], sys.argv[2:] or list(NETWORKS)
    torch.set_num_threads(1)
    sys.exit(0 if all([compare(name, dump) for name in names]) else 1)


if __name__ == "__main__":
    main()
