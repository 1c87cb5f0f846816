"""Compares networks imported from ONNX with PyTorch and ONNX Runtime: logits, and the gradients of the last two blocks.

    make build/tests/compare/dump_network build/thaw
    python tests/compare/onnx_networks.py build [NETWORK...]

NETWORK is a name of torchvision's, or timm:NAME. Weights and batch norm statistics are random, batch norms are exported
unfolded, PyTorch computes in double precision. Logits must be within 1e-3 of ONNX Runtime's, relative to the largest,
and the relative L2 error of each gradient against PyTorch's below 1e-3. Needs torch, torchvision, timm,
onnx, onnxruntime, safetensors.
"""
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnxruntime
import torch
from safetensors.torch import load_file, save_file
from torch import nn

TOLERANCE = 1e-3
IMAGES = 2
FAMILIES = [
    "alexnet", "vgg11", "resnet18", "resnext50_32x4d", "wide_resnet50_2", "squeezenet1_1", "densenet121", "inception_v3",
    "googlenet", "shufflenet_v2_x0_5", "timm:mobilenetv1_100", "mobilenet_v2", "mobilenet_v3_small", "mnasnet0_5",
    "efficientnet_b0", "efficientnet_v2_s", "regnet_y_400mf", "convnext_tiny", "timm:convnext_atto", "vit_b_16",
    "timm:vit_tiny_patch16_224", "timm:deit_tiny_patch16_224", "timm:swin_tiny_patch4_window7_224", "swin_t",
    "timm:vit_small_patch14_dinov2.lvd142m",
]


def build(name):
    torch.manual_seed(0)
    if name.startswith("timm:"):
        import timm
        model = timm.create_model(name[5:], pretrained=False, **({"num_classes": 10, "img_size": 224} if "dinov2" in name else {}))
    else:
        import torchvision
        extra = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        if name == "googlenet":
            extra["aux_logits"] = False
        model = torchvision.models.get_model(name, weights=None, **extra)
    if name == "inception_v3":
        model.aux_logits, model.AuxLogits = False, None
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator) * 0.1)
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    last = [m for m in model.modules() if isinstance(m, nn.Linear)]
    if last and last[-1].weight.abs().max() == 0:  # torchvision's ViT starts with a zero classifier
        nn.init.normal_(last[-1].weight, std=0.02, generator=generator)
    return model.eval()


def export(model, x, path):
    torch.onnx.export(model, x, path, opset_version=17, dynamo=False, training=torch.onnx.TrainingMode.PRESERVE,
                      do_constant_folding=False, input_names=["image"], output_names=["logits"],
                      dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}})


def distance(ours, theirs):
    return float((ours.double() - theirs.double()).norm() / theirs.double().norm().clamp_min(1e-30))


def tail_parameters(thaw, path):
    """Names of the parameters of the classifier and of the two blocks before it, from `thaw inspect --layers`."""
    result = json.loads(subprocess.run([thaw, "inspect", path, "--layers", "--json"], check=True, capture_output=True).stdout)
    blocks = [b["name"] for b in result["blocks"]][-3:]
    return {p for layer in result["layers"] if layer["block"] in blocks for p in layer["tensors"]}


def check(directory, name):
    model = build(name)
    size = 299 if name == "inception_v3" else 224
    x = torch.randn(IMAGES, 3, size, size, generator=torch.Generator().manual_seed(2))
    labels = torch.arange(IMAGES)
    with tempfile.TemporaryDirectory() as folder:
        path, images, output = (os.path.join(folder, f) for f in ("network.onnx", "input.safetensors", "output.safetensors"))
        export(model, x, path)
        runtime = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        expected = torch.from_numpy(runtime.run(None, {"image": x.numpy()})[0])
        save_file({"images": x, "labels": labels.float()}, images)
        subprocess.run([os.path.join(directory, "tests/compare/dump_network"), path, images, output,
                        os.path.join(folder, "copy.safetensors")], check=True)
        ours = load_file(output)
        tail = tail_parameters(os.path.join(directory, "thaw"), path)
    model = model.double()
    nn.functional.cross_entropy(model(x.double()), labels).backward()
    theirs = {k: p.grad for k, p in model.named_parameters() if p.grad is not None}
    logits = float((ours["inference"] - expected).abs().max() / expected.abs().max())
    worst, which, compared = 0.0, "", 0
    for key in tail & set(ours):
        their = theirs.get(key)
        if their is None:  # a transposed weight of MatMul: take the most similar gradient of this size
            alike = [g for g in theirs.values() if g.numel() == ours[key].numel()]
            if not alike:
                continue
            their = min((g.reshape(s) for g in alike for s in [ours[key].shape] ), key=lambda g: distance(ours[key], g))
        elif their.shape != ours[key].shape:
            their = their.reshape(ours[key].shape)
        compared += 1
        d = distance(ours[key], their)
        if d > worst:
            worst, which = d, key
    good = logits <= TOLERANCE and worst <= TOLERANCE and compared > 0
    print(f"{name}: logits {logits:.1e}, {compared} of {len(tail & set(ours))} gradients within {worst:.1e} {which if worst > TOLERANCE else ''}"
          f"{'' if good else ' WRONG'}", flush=True)
    return good


def main():
    warnings.filterwarnings("ignore")
    names = sys.argv[2:] or FAMILIES
    good = True
    for name in names:
        try:
            good &= check(sys.argv[1], name)
        except (subprocess.CalledProcessError, RuntimeError, KeyError) as error:
            print(f"{name}: {error} WRONG", flush=True)
            good = False
    sys.exit(not good)


if __name__ == "__main__":
    main()
