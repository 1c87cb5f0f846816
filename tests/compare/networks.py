"""Compares whole networks with torchvision at 224x224: logits, and the gradient of every tensor, entry by entry.

    make build/tests/compare/dump_network
    python tests/compare/networks.py build/tests/compare/dump_network [NETWORK...]

Weights are torchvision's random ones, adjusted as below; PyTorch computes in double precision.
The relative L2 error of each tensor must be below 1e-3.
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
DEVIATIONS = 5
NETWORKS = {"resnet50": tv.resnet50, "vgg16": tv.vgg16, "mobilenet_v2": tv.mobilenet_v2}


def distance(ours, theirs):
    if theirs.norm() == 0:  # after a channel that is always zero
        return float(ours.double().norm())
    return float((ours.double() - theirs.double()).norm() / theirs.double().norm())


def shift(module, inputs, output):
    """Moves a layer's outputs, channel by channel, DEVIATIONS away from zero: three channels up, one down."""
    if isinstance(module, nn.BatchNorm2d):
        nn.init.constant_(module.weight, 0.5)
        spread, center = 0.5, 0.0
    else:
        # Filters that sum to zero cancel the common offset of their inputs, which would increase rounding errors.
        module.weight -= module.weight.flatten(1).mean(1).reshape(-1, *[1] * (module.weight.dim() - 1))
        output = module.forward(inputs[0])
        rows = output.transpose(0, 1).flatten(1)
        spread, center = rows.std(1).clamp_min(1e-3), rows.mean(1) - module.bias
    sign = torch.where(torch.arange(module.bias.numel()) % 4 == 3, -1.0, 1.0)
    module.bias.copy_(sign * DEVIATIONS * spread - center)
    return module.forward(inputs[0])


def prepare(make, x):
    """A network in inference mode whose moving statistics fit its random weights, and whose ReLUs have inputs far from
    zero. Otherwise a few of about ten million inputs are so close to zero that rounding changes their sign, and each
    changes gradients by far more than rounding: PyTorch's own single precision then has errors up to 3e-2."""
    torch.manual_seed(1)
    model = make().train()
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear, nn.BatchNorm2d)) and m.bias is not None]
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    hooks = [layer.register_forward_hook(shift) for layer in layers[:-1]]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return model.eval()


def check_copy(model, copy):
    """The file that Thaw saved loads with strict=True and has the original values."""
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
    gradients = sorted((v, k) for k, v in apart.items() if k not in ("logits", "inference"))
    print(f"  {who}: logits {apart['logits']:.2g}, of inference {apart['inference']:.2g}; {len(gradients)} gradients, "
          f"median {gradients[len(gradients) // 2][0]:.2g}, worst {gradients[-1][0]:.2g} ({gradients[-1][1]})", flush=True)
    return max(apart.values())


def compare(name, dump):
    torch.manual_seed(2)
    x, labels = 1 + torch.randn(IMAGES, 3, SIDE, SIDE), torch.arange(IMAGES) * 377
    model = prepare(NETWORKS[name], 1 + torch.randn(8, 3, SIDE, SIDE))
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
    report("PyTorch in single precision", {k: distance(single[k], v) for k, v in double.items()})
    return report("Thaw", {k: distance(ours[k], v) for k, v in double.items()}) <= TOLERANCE


def main():
    dump, names = sys.argv[1], sys.argv[2:] or list(NETWORKS)
    torch.set_num_threads(1)
    sys.exit(0 if all([compare(name, dump) for name in names]) else 1)


if __name__ == "__main__":
    main()
