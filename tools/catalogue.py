"""Renews models/networks.tsv, the networks that `thaw networks` lists, and docs/networks.md, how many of timm's and
transformers' are read.

    python tools/catalogue.py THAW RESULTS.csv PROBED.jsonl [--date YYYY-MM-DD] [--bench THAW]

RESULTS.csv is results/results-imagenet.csv of timm's repository: accuracies on ImageNet that timm's authors measured;
--date is that of the file. Each architecture of timm with pretrained weights, and each image classifier of
transformers, is made with its shapes alone and written as a Hub directory whose weights are zeros (sparse files, which
take no space); THAW says whether it reads it, and what it costs. What was probed is kept in PROBED.jsonl: the same
command continues. Remove that file after a change of the program. That networks which are read compute the same is the
matter of tests/compare/hub_networks.py. Needs timm, transformers, torch.
"""
import argparse
import collections
import csv
import json
import os
import struct
import subprocess
import tempfile

import timm
import torch
import transformers
from timm.models import get_pretrained_cfg

LIMIT = 3 << 30  # bytes of weights
ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OPENBLAS_NUM_THREADS="1")
COLUMNS = ["name", "family", "top1", "top5", "size", "parameters", "multiply_adds", "values", "licence", "year"]

# Years of the papers, by the start of the architecture's name; the longest start counts.
YEARS = {
    "alexnet": 2012, "vgg": 2014, "inception": 2015, "resnet": 2015, "wide_resnet": 2016, "resnext": 2016, "seresnet": 2017,
    "seresnext": 2017, "legacy_se": 2017, "senet": 2017, "densenet": 2016, "xception": 2016, "mobilenetv1": 2017,
    "mobilenetv2": 2018, "mobilenetv3": 2019, "tf_mobilenetv3": 2019, "mobilenetv4": 2024, "mnasnet": 2018,
    "semnasnet": 2018, "spnasnet": 2019, "fbnet": 2018, "mixnet": 2019, "tf_mixnet": 2019, "efficientnet": 2019,
    "tf_efficientnet": 2019, "efficientnet_lite": 2020, "tf_efficientnet_lite": 2020, "efficientnetv2": 2021,
    "tf_efficientnetv2": 2021, "gc_efficientnetv2": 2021, "resnetv2": 2016, "resnetv2_50x1_bit": 2019, "ecaresnet": 2019,
    "resnetrs": 2021, "resnetaa": 2019, "resnetblur": 2019, "seresnextaa": 2019, "regnetx": 2020, "regnety": 2020,
    "regnetz": 2021, "regnetv": 2021, "convnext": 2022, "convnextv2": 2023, "vit": 2020, "deit": 2020, "deit3": 2022,
    "flexivit": 2022, "swin": 2021, "swinv2": 2021, "swinv2_cr": 2021, "swin_s3": 2021, "beit": 2021, "beitv2": 2022,
    "eva": 2022, "eva02": 2023, "vit_small_patch14_dinov2": 2023, "lcnet": 2021, "tinynet": 2020, "hardcorenas": 2021,
    "resnest": 2020, "res2net": 2019, "hrnet": 2019, "dla": 2017, "dpn": 2017, "nfnet": 2021, "nf_": 2021,
    "skresnet": 2019, "test_": 2024,
}

# Model types of transformers that are tried: image classifiers, and DINOv3, which has none there.
TRANSFORMERS = ["beit", "bit", "clip", "convnext", "convnextv2", "cvt", "data2vec-vision", "deit", "dinov2",
                "dinov2_with_registers", "dinov3_vit", "dinov3_convnext", "donut-swin", "efficientnet", "focalnet", "hgnet_v2", "hiera",
                "ijepa", "levit", "mobilenet_v1", "mobilenet_v2", "mobilevit", "mobilevitv2", "poolformer", "pvt", "pvt_v2",
                "regnet", "resnet", "segformer", "siglip", "siglip2", "swiftformer", "swin", "swinv2", "textnet", "vit", "vit_msn"]

TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32",
         torch.bool: "BOOL", torch.uint8: "U8"}


def write_zeros(state, path):
    """A safetensors file of these names, types and shapes whose values are zeros."""
    header, at = {}, 0
    for name, t in state.items():
        size = t.numel() * t.element_size()
        header[name] = {"dtype": TYPES[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + at)


def probe(thaw, state, config, sizes):
    """What the program says of the network: {"read": bool, "why": refusal, "costs": {size: [...]}}."""
    if sum(t.numel() * t.element_size() for t in state.values()) > LIMIT:
        return {"read": False, "why": "not tried: too large for this script"}
    with tempfile.TemporaryDirectory() as folder:
        write_zeros(state, os.path.join(folder, "model.safetensors"))
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(config, f)
        costs = {}
        for size in sizes:
            said = subprocess.run([thaw, "inspect", folder, "--layers", "--json", "--size", str(size)],
                                  capture_output=True, text=True, env=ENV)
            if said.returncode:
                why = (said.stderr.strip().splitlines() or ["no message"])[-1].removeprefix("thaw: ")
                return {"read": False, "why": why.replace(folder + "/", "")}
            found = json.loads(said.stdout)
            values = sum(torch.Size(layer["output"]).numel() for layer in found["layers"])
            costs[size] = [found["variant"], found["parameters"], found["flops"] // 2, values]
    return {"read": True, "costs": costs}


def timm_state(name):
    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False)
    config = {"architecture": name, "num_classes": model.num_classes, "num_features": model.num_features}
    if getattr(model, "global_pool", None) and isinstance(model.global_pool, str):
        config["global_pool"] = model.global_pool
    return model.state_dict(), config, model.pretrained_cfg


def transformers_state(kind):
    config = transformers.AutoConfig.for_model(kind)
    config.architectures = []  # that of deit is read
    classifies = type(config) in transformers.AutoModelForImageClassification._model_mapping
    make = transformers.AutoModelForImageClassification if classifies else transformers.AutoModel
    with torch.device("meta"):
        model = make.from_config(config)
    with tempfile.TemporaryDirectory() as folder:  # the names in files are those of save_pretrained
        small = model.to_empty(device="cpu")
        small.save_pretrained(folder)
        from safetensors.torch import load_file
        state = {k: v.to("meta") for k, v in load_file(os.path.join(folder, "model.safetensors")).items()}
    return state, dict(config.to_dict(), architectures=[type(model).__name__])


def read_results(path):
    """Rows of timm's table by architecture."""
    rows = collections.defaultdict(list)
    with open(path, newline="") as f:
        for row in csv.DictReader(f):
            rows[row["model"].partition(".")[0]].append(row)
    return rows


def probe_all(o, results):
    done = {}
    if os.path.exists(o.probed):
        with open(o.probed) as f:
            done = {r["name"]: r for r in map(json.loads, f)}
    names = sorted({n.partition(".")[0] for n in timm.list_models(pretrained=True)})
    wanted = [("timm", n) for n in names] + [("hf", k) for k in TRANSFORMERS]
    for source, name in wanted:
        key = f"hf:{name}" if source == "hf" else name
        if key in done:
            continue
        print(key, flush=True)
        try:
            if source == "hf":
                state, config = transformers_state(name)
                sizes = [224 if not isinstance(config.get("image_size"), int) else config["image_size"]]
            else:
                state, config, default = timm_state(name)
                sizes = sorted({int(r["img_size"]) for r in results[name]} or {default["input_size"][1]})
            found = probe(o.thaw, state, config, sizes)
        except Exception as error:  # a framework that cannot make its own network
            found = {"read": False, "why": f"not tried: {type(error).__name__}: {error}"[:200]}
        done[key] = dict(found, name=key)
        with open(o.probed, "a") as f:
            f.write(json.dumps(done[key]) + "\n")
    return done


def year_of(name):
    starts = [s for s in YEARS if name.startswith(s)]
    return YEARS[max(starts, key=len)] if starts else ""


def write_catalogue(path, done, results, date):
    rows = []
    for architecture, tags in results.items():
        found = done.get(architecture, {"read": False})
        if not found["read"]:
            continue
        for r in tags:
            variant, parameters, multiply_adds, values = found["costs"][r["img_size"]]
            licence = get_pretrained_cfg(r["model"], allow_unregistered=False).license or "unknown"
            rows.append([r["model"], variant, r["top1"], r["top5"], r["img_size"], parameters, multiply_adds, values, licence,
                         year_of(architecture)])
    rows.sort(key=lambda row: (-float(row[2]), row[0]))
    with open(path, "w") as f:
        f.write(f"# Accuracies on ImageNet: timm's results/results-imagenet.csv of {date}; cost: thaw inspect; licences: timm "
                f"{timm.__version__}.\n# Written by tools/catalogue.py.\n")
        f.write("\t".join(COLUMNS) + "\n")
        for row in rows:
            f.write("\t".join(map(str, row)) + "\n")
    return len(rows)


def group_of(why):
    return why.split(":")[0]


def write_page(path, done):
    timm_names = [r for r in done.values() if not r["name"].startswith("hf:")]
    others = [r for r in done.values() if r["name"].startswith("hf:")]
    read = [r["name"] for r in timm_names if r["read"]]
    tags = timm.list_models(pretrained=True)
    tags_read = sum(done[n.partition(".")[0]]["read"] for n in tags)
    with open(path, "w") as f:
        f.write("# Networks that are read from Hub directories\n\n"
                "Written by `tools/catalogue.py`, which makes each architecture with its shapes alone and asks the program. That "
                "networks compute the same as in their framework is shown by `tests/compare/hub_networks.py` "
                "([comparisons.md](comparisons.md)).\n\n"
                f"Of timm {timm.__version__}'s {len(timm_names)} architectures with pretrained weights, {len(read)} are read "
                f"({100 * len(read) / len(timm_names):.0f} %), which have {tags_read} of its {len(tags)} sets of weights "
                f"({100 * tags_read / len(tags):.0f} %). Of {len(others)} model types of transformers "
                f"{transformers.__version__} that were tried, {sum(r['read'] for r in others)} are read. The others are refused by "
                "name, with the way through ONNX, but for those that are too large for the script.\n\n## transformers\n| model type | |\n|---|---|\n")
        for r in others:
            f.write(f"| {r['name'][3:]} | {'read' if r['read'] else 'refused'} |\n")
        f.write("\n## timm\n| start of the name | read | of |\n|---|---|---|\n")
        starts = collections.Counter(r["name"].split("_")[0] for r in timm_names)
        good = collections.Counter(n.split("_")[0] for n in read)
        for start, count in sorted(starts.items()):
            f.write(f"| {start} | {good[start]} | {count} |\n")
        f.write("\nNot read:\n\n")
        f.write(", ".join(r["name"] for r in timm_names if not r["read"]) + "\n")


# Networks that `thaw bench` makes by name, and their names in timm.
MEASURED = {"resnet18": "resnet18", "resnet50": "resnet50", "mobilenet_v2": "mobilenetv2_100",
            "efficientnet_b0": "efficientnet_b0", "vit_tiny_patch16_224": "vit_tiny_patch16_224",
            "vit_small_patch16_224": "vit_small_patch16_224",
            "swin_tiny_patch4_window7_224": "swin_tiny_patch4_window7_224"}


def json_of(*command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=ENV).stdout)


def check_costs(thaw, path):
    """Appends what `thaw networks` predicts beside what `thaw bench` measures, each on one core."""
    lines = ["", "## Predicted and measured cost", "One core in fp32, 224 pixels; training with 4 images per step. Measured by "
             "`thaw bench --unfreeze none --batch 16` and `thaw bench --unfreeze all --batch 4` (`tools/catalogue.py --bench`): "
             "of memory its `tail_bytes`, three times the parameters, and 0.1 GB for the program.", "",
             "| network | ms per image, predicted | measured | GB of training, predicted | measured |", "|---|---|---|---|---|"]
    for ours, name in MEASURED.items():
        listed = json_of(thaw, "networks", "--json", "--limit", "0", "--find", name + ".")["networks"]
        row = next((r for r in listed if r["size"] == 224 and r["name"].startswith(name + ".")), None)
        if not row:
            continue
        speed = json_of(thaw, "bench", "--json", "--model", ours, "--unfreeze", "none", "--batch", "16", "--steps", "2")
        memory = json_of(thaw, "bench", "--json", "--model", ours, "--unfreeze", "all", "--batch", "4",
                         "--steps", "1")
        lines.append(f"| {name} | {row['milliseconds']:.0f} | {1e3 / speed['images_per_second']:.0f} | "
                     f"{row['training_bytes'] / 1e9:.2f} | {(memory['tail_bytes'] + 12 * row['parameters']) / 1e9 + 0.1:.2f} |")
    with open(path, "a") as f:
        f.write("\n".join(lines) + "\n")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("thaw")
    options.add_argument("results")
    options.add_argument("probed")
    options.add_argument("--date", default="unknown date")
    options.add_argument("--bench", help="another THAW, built with the new table: measure costs on this idle machine, too")
    o = options.parse_args()
    torch.set_num_threads(1)
    results = read_results(o.results)
    done = json.loads(json.dumps(probe_all(o, results)))  # sizes are texts then
    listed = write_catalogue("models/networks.tsv", done, results, o.date)
    write_page("docs/networks.md", done)
    if o.bench:
        check_costs(o.bench, "docs/networks.md")
    print(f"{listed} networks listed; {sum(r['read'] for r in done.values())} of {len(done)} architectures read")


if __name__ == "__main__":
    main()
