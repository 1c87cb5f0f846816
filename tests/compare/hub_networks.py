"""Compares networks of timm and transformers with Thaw, read from the directories that these write: logits of ten
photographs of odd sizes, preprocessing included, and gradients of the last two blocks.

    make build/tests/compare/dump_network
    python tests/compare/hub_networks.py THAW build/tests/compare/dump_network [--size N] [--keep DIR] NAME...

A NAME is an architecture of timm, or "MODEL_TYPE" or "MODEL_TYPE:{JSON of its configuration}" of transformers after
"hf:", such as "hf:swin" or 'hf:vit:{"num_hidden_layers": 2}'. Weights are random, moving statistics fit them;
PyTorch computes in double precision. Prints for each network the largest difference of the logits, less their mean, in
relation to the largest of them (at most 1e-5), the worst relative L2 error of a gradient in the last two blocks (at
most 1e-4) and of all gradients, and in brackets the same of PyTorch in single precision: errors of at most three times
these pass, too, since a ReLU whose input is close to zero doubles every rounding error behind it. Refusals are printed
as they are. Ends with 1 if a network differs. Needs Pillow before 13, which resizes as Thaw does: later ones begin with
the vertical pass where that is cheaper, and differ by a level of 8 bits here and there.
"""
import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
import timm
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

LOGITS, GRADIENTS, OWN = 1e-5, 1e-4, 3
SIZES = [(137, 211), (301, 160), (225, 223), (64, 97), (500, 333), (224, 224), (91, 91), (250, 401), (180, 179), (333, 78)]
ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OPENBLAS_NUM_THREADS="1")
FLOOR = 1e-4
SPREAD = 2.0  # deviation of the logits


def photographs(folder):
    """Smooth random images as PNG."""
    paths = []
    for i, (width, height) in enumerate(SIZES):
        small = np.random.default_rng(i).integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
        paths.append(os.path.join(folder, f"{i}.png"))
        Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(paths[-1])
    return paths


def randomise(model):
    """Norms, biases and scales of channels that are neither 0 nor 1."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() > 1 and "pos" not in name and "token" not in name:
                if p.min() == p.max():  # also tensors of one value: they are told apart by their values
                    p.add_(0.02 * torch.randn(p.shape, generator=generator))
            elif name.endswith("bias") or p.dim() > 1:
                p.copy_(0.1 * torch.randn(p.shape, generator=generator))
            elif p.numel() > 1:
                p.copy_(0.5 + torch.rand(p.shape, generator=generator))


def fit_statistics(model, images):
    """Moving statistics of the batch norms that fit the weights."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for m in norms:
        m.momentum = 1.0
    if norms:
        dropouts = [m for m in model.modules() if "Drop" in type(m).__name__]
        model.train()
        for m in dropouts:
            m.eval()
        with torch.no_grad():
            model(images)
    model.eval()


def logits_of(model, images):
    out = model(images)
    return out.logits if hasattr(out, "logits") else out


def scale_classifier(model, images):
    """Brings the logits to a common spread."""
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    with torch.no_grad():
        factor = SPREAD / logits_of(model, images).std().clamp_min(1e-12)
        classes = logits_of(model, images).shape[1]
        for m in linear:
            if m.out_features == classes:
                m.weight.mul_(factor)


def load_timm(name, folder, size):
    arguments = {"img_size": size} if size else {}
    model = timm.create_model(name, pretrained=False, num_classes=11, **arguments)
    config = timm.data.resolve_data_config({}, model=model)
    transform = timm.data.create_transform(**config, is_training=False)

    def save():
        timm.models.save_for_hf(model, folder, model_args=arguments or None)
    return model, transform, save


class WithClassifier(nn.Module):
    """A network of features and a classifier for its pooled output."""

    def __init__(self, config):
        super().__init__()
        self.network, self.config = transformers.AutoModel.from_config(config), config
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)

    from_config = classmethod(lambda cls, config: cls(config))

    def forward(self, images):
        return self.classifier(self.network(images).pooler_output)

    def save_pretrained(self, folder):
        self.network.save_pretrained(folder)
        file = os.path.join(folder, "model.safetensors")
        tensors = {f"classifier.{k}": v.contiguous() for k, v in self.classifier.state_dict().items()}
        save_file(load_file(file) | tensors, file, metadata={"format": "pt"})


def load_transformers(name, folder, size):
    kind, _, settings = name.partition(":")
    settings = dict(json.loads(settings or "{}"), num_labels=11)
    if size:
        settings["image_size"] = size
    config = transformers.AutoConfig.for_model(kind, **settings)
    classifies = type(config) in transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING
    model = (transformers.AutoModelForImageClassification if classifies else WithClassifier).from_config(config)
    model.config.architectures = [type(model).__name__]
    side = getattr(config, "image_size", 224)
    processor = transformers.ViTImageProcessorPil(size={"height": side, "width": side}) if isinstance(side, int) else None

    def transform(image):
        return processor(image, return_tensors="pt")["pixel_values"][0]

    def save():
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
    return model, transform, save


def ours(thaw, folder, paths, classes):
    """Logits less their mean: the logarithms of the probabilities are that but for a constant. None: refused."""
    said = subprocess.run([thaw, "predict", "--model", folder, "--top", str(classes), "--json", *paths],
                          capture_output=True, text=True, env=ENV)
    if said.returncode:
        print("  refused:", said.stderr.strip().splitlines()[-1])
        return None
    logits = torch.zeros(len(paths), classes, dtype=torch.double)
    for i, image in enumerate(json.loads(said.stdout)["images"]):
        for p in image["predictions"]:
            logits[i, p["class"]] = math.log(max(p["probability"], 1e-300))
    return logits - logits.mean(1, keepdim=True)


def last_blocks(names):
    """The names of the last two blocks and of all after them. A block is what comes before the last numbered part of a
    name, such as "blocks.11" or "s4.b2"."""
    found = [re.match(r"(.*\.)?[a-z]?\d+(?=\.)", n) for n in names]
    keys = [m.group() if m else "" for m in found]
    blocks = [k for i, k in enumerate(keys) if k and k not in keys[:i]]
    return names if len(blocks) < 2 else names[keys.index(blocks[-2]):]


def saved_names(model, folder):
    """The name in the saved file of each parameter, which transformers changes; found by the values."""
    file = os.path.join(folder, "model.safetensors")
    saved = load_file(file) if os.path.exists(file) else model.float().state_dict()
    names = {}
    for k, v in saved.items():
        names.setdefault((tuple(v.shape), v.float().numpy().tobytes()), []).append(k)
    return {n: k for n, p in model.named_parameters()
            for k in names.get((tuple(p.shape), p.detach().float().numpy().tobytes()), [n])[:1]}


def errors_of(found, truth):
    """L2 errors in relation to the gradient, or to FLOOR of the largest one: some gradients are zero but for rounding."""
    least = FLOOR * max(t.norm() for t in truth.values())
    return {n: float((found[n].double() - t).norm() / max(t.norm(), least)) for n, t in truth.items() if n in found}


def thaw_gradients(model, dump, folder, images, labels):
    path = {k: os.path.join(folder, k) for k in ("input", "output", "copy.safetensors")}
    save_file({"images": images.float().contiguous(), "labels": labels}, path["input"])
    said = subprocess.run([dump, folder, path["input"], path["output"], path["copy.safetensors"]], capture_output=True,
                          text=True)
    if said.returncode:
        print("  gradients:", said.stderr.strip())
        return {}
    found, names = load_file(path["output"]), saved_names(model, folder)
    for k in path.values():
        os.remove(k)
    missing = [n for n, k in names.items() if k not in found]
    if missing:
        print(f"  no gradients of {len(missing)} parameters, such as {missing[0]}")
    return {n: found[k] for n, k in names.items() if k in found}


def own_gradients(model, images, labels):
    model.zero_grad()
    nn.functional.cross_entropy(logits_of(model, images), labels).backward()
    return {n: p.grad.clone().double() for n, p in model.named_parameters() if p.grad is not None}


def centred(model, images):
    with torch.no_grad():
        logits = logits_of(model, images).double()
    return logits - logits.mean(1, keepdim=True)


def worst_of(errors, names):
    return max((errors[n], n) for n in names)


def compare(name, thaw, dump, size, keep):
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = os.path.join(keep or scratch, re.sub(r"\W+", "_", name))
        os.makedirs(folder, exist_ok=True)
        load = load_transformers if name.startswith("hf:") else load_timm
        model, transform, save = load(name.removeprefix("hf:"), folder, size)
        paths = photographs(scratch)
        images = torch.stack([transform(Image.open(p).convert("RGB")) for p in paths])
        randomise(model)
        fit_statistics(model, images)
        scale_classifier(model, images[:4])
        model.float()
        save()
        labels, single = torch.tensor([1, 7]), centred(model, images)
        single_gradients = own_gradients(model, images[:2], labels)
        model.double()
        theirs = centred(model, images.double())
        found = ours(thaw, folder, paths, theirs.shape[1])
        if found is None:
            print(f"{name}: refused", flush=True)
            return True
        apart, own = (float((x - theirs).abs().max() / theirs.abs().max()) for x in (found, single))
        model_gradients = thaw_gradients(model.float(), dump, folder, images[:2], labels)
        truth = own_gradients(model.double(), images[:2].double(), labels)
    errors, own_errors = errors_of(model_gradients, truth), errors_of(single_gradients, truth)
    line, good = f"{name}: logits {apart:.1e} ({own:.1e})", apart <= max(LOGITS, OWN * own) and len(errors) > 0
    if errors:
        last, worst = worst_of(errors, last_blocks(list(errors))), worst_of(errors, errors)
        own_last, own_worst = worst_of(own_errors, last_blocks(list(errors))), worst_of(own_errors, errors)
        line += (f", gradients of the last blocks {last[0]:.1e} ({own_last[0]:.1e}) {last[1]}, "
                 f"of all {worst[0]:.1e} ({own_worst[0]:.1e}) {worst[1]}")
        good = good and last[0] <= max(GRADIENTS, OWN * own_last[0])
    print(line, "" if good else " DIFFERS", flush=True)
    return good


def main():
    options = argparse.ArgumentParser()
    options.add_argument("thaw")
    options.add_argument("dump")
    options.add_argument("--size", type=int, help="side of the input")
    options.add_argument("--keep", help="a folder in which the networks stay")
    options.add_argument("names", nargs="+")
    o = options.parse_args()
    torch.set_num_threads(1)
    good = True
    for name in o.names:
        try:
            good &= compare(name, o.thaw, o.dump, o.size, o.keep)
        except Exception as error:  # the framework cannot make it, or not of this size
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
            good = False
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
