"""Loads the adapters of runs with --tune lora:R in PEFT, onto the networks that the runs began with, and compares the
logits with those of the merged networks that the runs wrote.

    python tests/compare/peft_adapters.py THAW DATA

DATA: images as for thaw train, such as /usr/share/datasets/fashion-mnist. Trains a small vision transformer of
transformers and one of timm (one layer for queries, keys and values), with random weights, as they save them.
Prints the largest difference of the logits in relation to the largest logit, which must be below 1e-5, and ends with 1
if it is not, or if the adapters change nothing.
"""
import os
import subprocess
import sys
import tempfile

import timm
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import ViTConfig, ViTForImageClassification

LIMIT = 1e-5
SIDE, PATCH, WIDTH, BLOCKS, HEADS = 32, 8, 32, 3, 2
ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OPENBLAS_NUM_THREADS="1")


def transformers_vit(classes):
    return ViTForImageClassification(ViTConfig(
        hidden_size=WIDTH, num_hidden_layers=BLOCKS, num_attention_heads=HEADS, intermediate_size=2 * WIDTH,
        image_size=SIDE, patch_size=PATCH, num_labels=classes, attn_implementation="eager"))


def timm_vit(classes):
    return timm.create_model("vit_tiny_patch16_224", num_classes=classes, **timm_arguments())


def timm_arguments():
    return dict(img_size=SIDE, patch_size=PATCH, depth=BLOCKS, embed_dim=WIDTH, num_heads=HEADS)


def save_timm(model, folder):
    timm.models.save_for_hf(model, folder, model_args=timm_arguments(), safe_serialization=True)


def run(*command):
    done = subprocess.run(command, env=ENV, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")


def logits(model, images):
    with torch.no_grad():
        y = model.eval()(images)
    return getattr(y, "logits", y)


def compare(name, create, save, thaw, data, unfreeze):
    with tempfile.TemporaryDirectory() as folder:
        base, trained, adapters = (os.path.join(folder, part) for part in ("base", "run", "adapters"))
        torch.manual_seed(1)
        start = create(classes=5)  # the run replaces the classifier
        save(start, base)
        run(thaw, "train", "--model", base, "--data", data, "--out", trained, "--unfreeze", unfreeze,
            "--tune", "lora:4:16", "--per-class", "8", "--lanes", "2", "--epochs", "2", "--lr", "0.05")
        run(thaw, "export", trained, "--peft", adapters)
        merged = load_file(os.path.join(trained, "model.safetensors"))
        classes = next(t.shape[0] for n, t in merged.items() if n in ("classifier.weight", "head.weight"))
        images = torch.randn(8, 3, SIDE, SIDE)
        result, plain = create(classes), create(classes)
        own = start.state_dict()
        plain.load_state_dict({n: own[n] if own[n].shape == t.shape else t for n, t in plain.state_dict().items()})
        if hasattr(result, "save_pretrained"):  # names in files are not those of modules
            result = type(result).from_pretrained(None, config=result.config, state_dict=merged)
        else:
            result.load_state_dict(merged)
        adapted = PeftModel.from_pretrained(plain, adapters)
        want, have = logits(result, images), logits(adapted, images)
        with adapted.disable_adapter():
            without = logits(adapted, images)
        error = float((want - have).abs().max() / want.abs().max())
        effect = float((want - without).abs().max() / want.abs().max())
        print(f"{name} --unfreeze {unfreeze}: {error:.2g} (without the adapters {effect:.2g})")
        return error < LIMIT and effect > 100 * LIMIT


def main():
    thaw, data = sys.argv[1:]
    good = True
    for unfreeze in ("all", "last:2"):
        good &= compare("transformers", transformers_vit, lambda m, folder: m.save_pretrained(folder), thaw, data, unfreeze)
        good &= compare("timm", timm_vit, save_timm, thaw, data, unfreeze)
    sys.exit(not good)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
