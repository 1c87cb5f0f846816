"""Trains networks of timm and transformers with Thaw, interrupts and resumes that, writes them with thaw export --hub,
and loads the directories in timm and transformers: logits of all test images beside Thaw's.

    python tests/compare/hub_export.py [--scratch DIR] [--tune T] THAW DATA [NAME...]

DATA has the folders train and test. A NAME is as in hub_networks.py. Prints for each network on how many test images
the first class agrees, and the largest difference of the logits, less their mean, in relation to the largest of them
(at most 1e-4). Ends with 1 if a network differs. Needs Pillow before 13, as hub_networks.py.
"""
import argparse
import glob
import os
import signal
import subprocess
import sys
import tempfile
import time

import timm
import torch
import transformers
from PIL import Image

from hub_networks import ENV, fit_statistics, load_timm, load_transformers, logits_of, ours, randomise

NAMES = ["resnet18", "vit_tiny_patch16_224",
         'hf:vit:{"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3, "intermediate_size": 384}']
LOGITS = 1e-4


def train(thaw, network, data, run, tune):
    """Ends the training with SIGTERM once, and starts it again."""
    command = [thaw, "train", "--model", network, "--data", data, "--out", run, "--unfreeze", "last:1", "--epochs", "2",
               "--size", "64", "--lanes", "2", "--batch", "16", "--lr", "0.01", "--tune", tune]
    first = subprocess.Popen(command, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = os.path.join(run, "metrics.jsonl")
    while first.poll() is None and not (os.path.exists(lines) and os.path.getsize(lines) > 0):
        time.sleep(0.1)
    first.send_signal(signal.SIGTERM)
    print("  first start ended with", first.wait())
    subprocess.run(command, env=ENV, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def load(folder, is_timm):
    """The network and its preprocessing, as the framework reads them from the directory."""
    if is_timm:
        model = timm.create_model(f"local-dir:{folder}", pretrained=True)
        return model, timm.data.create_transform(**timm.data.resolve_data_config(model.pretrained_cfg))
    model, report = transformers.AutoModelForImageClassification.from_pretrained(folder, output_loading_info=True)
    missing = [k for k in report["missing_keys"] if not k.endswith("mask_token")]  # of the pretraining only
    if missing or report["unexpected_keys"] or report["mismatched_keys"]:
        raise RuntimeError(report)
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    return model, lambda image: processor(image, return_tensors="pt")["pixel_values"][0]


def check_labels(model, is_timm, data):
    names = sorted(os.path.basename(p) for p in glob.glob(os.path.join(data, "train", "*")))
    found = model.pretrained_cfg["label_names"] if is_timm else [model.config.id2label[i] for i in range(len(names))]
    return list(found) == names


def compare(name, o, scratch):
    is_timm = not name.startswith("hf:")
    network, run, out = (os.path.join(scratch, k) for k in ("network", "run", "hub"))
    os.makedirs(network)
    torch.manual_seed(0)
    model, _, save = (load_timm if is_timm else load_transformers)(name.removeprefix("hf:"), network, 0)
    randomise(model)
    fit_statistics(model, torch.randn(4, 3, 224, 224))
    save()
    train(o.thaw, network, o.data, run, o.tune)
    subprocess.run([o.thaw, "export", run, "--hub", out], env=ENV, check=True, stdout=subprocess.DEVNULL)
    model, transform = load(out, is_timm)
    model.eval()
    paths = sorted(glob.glob(os.path.join(o.data, "test", "*", "*")))
    classes, theirs = len(os.listdir(os.path.join(o.data, "train"))), []
    with torch.no_grad():
        for p in paths:
            image = transform(Image.open(p).convert("RGB"))
            theirs.append(logits_of(model, image.unsqueeze(0))[0].double())
    theirs = torch.stack(theirs)
    theirs -= theirs.mean(1, keepdim=True)
    found = ours(o.thaw, run, paths, classes)
    again = ours(o.thaw, out, paths, classes)
    apart = float((found - theirs).abs().max() / theirs.abs().max())
    same = int((found.argmax(1) == theirs.argmax(1)).sum())
    labels = check_labels(model, is_timm, o.data)
    good = same == len(paths) and apart <= LOGITS and bool((again == found).all()) and labels
    print(f"{name}: first class of {same} of {len(paths)} images, logits {apart:.1e}", "" if good else "DIFFERS",
          flush=True)
    return good


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--tune", default="all", help="as for thaw train: lora:4, for example")
    options.add_argument("thaw")
    options.add_argument("data")
    options.add_argument("--scratch", help="a folder for temporary files")
    options.add_argument("names", nargs="*", default=NAMES)
    o = options.parse_args()
    torch.set_num_threads(1)
    good = True
    for name in o.names:
        with tempfile.TemporaryDirectory(dir=o.scratch) as scratch:
            good &= compare(name, o, scratch)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
