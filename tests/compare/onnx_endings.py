"""Compares the features that Thaw trains a classifier on with those of PyTorch, for networks exported in many ways.

    make build/tests/compare/dump_features
    python tests/compare/onnx_endings.py build [--dynamo] [NETWORK...]

Each network is exported whole, without its classifier, unpooled, and with various operators and outputs after the
classifier. The classifier must be the one of the network, and its input must equal PyTorch's, in double precision,
within 1e-5 of the largest; a network that ends in features gets a new classifier on these features. Weights are random.
Needs torch, timm, onnx, and onnxscript for --dynamo.
"""
import copy
import logging
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import timm
import torch
from torch import nn

TOLERANCE = 1e-5
IMAGES = 2
NETWORKS = {
    "mobilenetv3_small_050": {}, "efficientnet_lite0": {}, "vit_tiny_patch16_224": {}, "convnext_atto": {},
    "vgg11": {"mlp_ratio": 0.0625}, "ghostnet_050": {}, "deit_tiny_distilled_patch16_224": {},
}


class Wrapped(nn.Module):
    def __init__(self, net, function):
        super().__init__()
        self.net, self.function = net, function

    def forward(self, x):
        return self.function(self.net, x)


def build(name):
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=10, **NETWORKS.get(name, {})).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
        elif isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    for head in heads_of(net):
        nn.init.normal_(head.weight, std=0.3)
    return net


def heads_of(net):
    heads = net.get_classifier()
    return list(heads) if isinstance(heads, (tuple, list)) else [heads]


def inputs_of_heads(net, x):
    """The inputs of the classifiers, side by side."""
    seen = []
    hooks = [h.register_forward_hook(lambda m, i, o: seen.append(i[0].flatten(1))) for h in heads_of(net)]
    net(x)
    for hook in hooks:
        hook.remove()
    return torch.cat(seen, 1)


def pooled(net, x):
    y = net.forward_features(x)
    if y.ndim == 4:
        return y.mean((2, 3))
    tokens = 2 if hasattr(net, "dist_token") else 1
    return y[:, :tokens].mean(1)


def without_classifier(net):
    bare = copy.deepcopy(net)
    bare.reset_classifier(0)
    return bare


def embedding(net, x):
    """The vector before the classifiers, in a form that can be exported."""
    return net.forward_head(net.forward_features(x), pre_logits=True).flatten(1)


def endings(net):
    """Name: (exported function, function of the expected features, whether the classifier is the network's)."""
    bare = without_classifier(net)
    whole = {
        "whole": lambda n, x: n(x),
        "softmax": lambda n, x: n(x).softmax(1),
        "log_softmax": lambda n, x: n(x).log_softmax(1),
        "sigmoid": lambda n, x: n(x).sigmoid(),
        "relu": lambda n, x: n(x).relu(),
        "tanh": lambda n, x: n(x).tanh(),
        "argmax": lambda n, x: n(x).argmax(1),
        "top_k": lambda n, x: n(x).topk(3),
        "softmax, top_k": lambda n, x: n(x).softmax(1).topk(3),
        "logits, argmax": lambda n, x: (lambda y: (y, y.argmax(1)))(n(x)),
        "argmax, logits": lambda n, x: (lambda y: (y.argmax(1), y))(n(x)),
        "map, logits": lambda n, x: (n.forward_features(x), n(x)),
        "logits, map": lambda n, x: (n(x), n.forward_features(x)),
        "embedding, logits": lambda n, x: (embedding(n, x), n(x)),
        "logits, embedding": lambda n, x: (n(x), embedding(n, x)),
    }
    found = {k: (net, f, inputs_of_heads, True) for k, f in whole.items()}
    return found | {
        "no classifier": (bare, lambda n, x: n(x), lambda n, x: n.double()(x).flatten(1), False),
        "unpooled": (net, lambda n, x: n.forward_features(x), pooled, False),
    }


def export(module, x, path, dynamo):
    if dynamo:
        torch.onnx.export(module, (x,), path, dynamo=True, verbose=False, external_data=False,
                          dynamic_shapes=({0: torch.export.Dim("batch")},))
    else:
        torch.onnx.export(module, x, path, dynamo=False, input_names=["image"], dynamic_axes={"image": {0: "N"}})


def check(tool, folder, net, ending, x, dynamo):
    module, function, expected, own = ending
    path = os.path.join(folder, "net.onnx")
    images, features = os.path.join(folder, "images"), os.path.join(folder, "features")
    export(Wrapped(module, function).eval(), x, path, dynamo)
    with torch.no_grad():
        want = expected(copy.deepcopy(module).double(), x.double()).numpy()
    x.permute(0, 2, 3, 1).contiguous().numpy().tofile(images)
    done = subprocess.run([tool, path, images, features], capture_output=True, text=True, check=False)
    if done.returncode:
        return False, done.stderr.strip()
    name, how, notes = done.stdout.split("\n")[:3]
    got = np.fromfile(features, np.float32).reshape(len(x), -1)
    if got.shape != want.shape:
        return False, f"{got.shape[1]} features, not {want.shape[1]}: {name} {how}: {notes}"
    error = np.abs(got - want).max() / np.abs(want).max()
    return error < TOLERANCE and (how == "found") == own, f"{error:.1e} {name} {how}: {notes}"


def main():
    arguments = sys.argv[2:]
    dynamo = "--dynamo" in arguments
    names = [a for a in arguments if a != "--dynamo"] or list(NETWORKS)
    tool = os.path.join(sys.argv[1], "tests/compare/dump_features")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    failed = 0
    for name in names:
        net = build(name)
        x = torch.randn(IMAGES, 3, 224, 224, generator=torch.Generator().manual_seed(1))
        for ending, what in endings(net).items():
            with tempfile.TemporaryDirectory() as folder:
                good, text = check(tool, folder, net, what, x, dynamo)
            failed += not good
            print(f"{'ok  ' if good else 'FAIL'} {name:32s} {ending:18s} {text}", flush=True)
    sys.exit(failed > 0)


main()
