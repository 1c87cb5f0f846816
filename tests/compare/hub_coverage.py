"""Tries every architecture of timm that has pretrained weights, and every image classifier of transformers, with random
weights in a directory as the framework saves it, and writes which of them Thaw reads.

    python tests/compare/hub_coverage.py [--limit MILLIONS] [--jobs N] THAW RESULTS [NAME...]

RESULTS is a file of JSON lines that grows with each network: a later call goes on where this one ended. A NAME is an
architecture of timm, or "hf:MODEL_TYPE"; without names all are tried that RESULTS does not have yet. Each network is
tried in a process of its own, of at most TIMEOUT seconds. Result: "read" if the logits of two images agree with the
framework's, "differs" if they do not, "refused" with Thaw's message, "skipped" if it has more than --limit million
parameters (200), "failed" if the framework cannot build or run it. hub_networks.py compares single networks more strictly, with gradients;
tools/catalogue.py lists what is read without comparing numbers, in minutes.
"""
import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import tempfile
import time

TIMEOUT = 900
CLASSES = 11
SIDE = 128  # of the input where the network leaves it free
TOLERANCE = 1e-3
MEMORY = 12 << 30


def all_names():
    import timm
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as kinds
    return sorted({n.split(".")[0] for n in timm.list_models(pretrained=True)}) + [f"hf:{k}" for k in kinds]


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def load_timm(name, folder, limit):
    import timm
    import torch
    with torch.device("meta"):
        try:
            count = parameters(timm.create_model(name, pretrained=False, num_classes=CLASSES))
        except Exception:  # some build tables from values, which this device does not have
            count = 0
    if count > limit:
        return count, None, None
    model = timm.create_model(name, pretrained=False, num_classes=CLASSES)
    fixed = model.pretrained_cfg.get("fixed_input_size")
    data = timm.data.resolve_data_config({} if fixed else {"input_size": (3, SIDE, SIDE)}, model=model)

    def save():
        timm.models.save_for_hf(model, folder, safe_serialization=True, data_config=data)
    return parameters(model), (model, timm.data.create_transform(**data, is_training=False), data["input_size"]), save


def load_transformers(kind, folder, limit):
    import torch
    import transformers
    config = transformers.AutoConfig.for_model(kind, num_labels=CLASSES)
    with torch.device("meta"):
        try:
            count = parameters(transformers.AutoModelForImageClassification.from_config(config))
        except Exception:
            count = 0
    if count > limit:
        return count, None, None
    model = transformers.AutoModelForImageClassification.from_config(config)
    model.config.architectures = [type(model).__name__]
    side = getattr(getattr(config, "vision_config", config), "image_size", None)
    side = side if isinstance(side, int) else 224
    processor = transformers.ViTImageProcessorPil(size={"height": side, "width": side})

    def save():
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
    return parameters(model), (model, lambda i: processor(i, return_tensors="pt")["pixel_values"][0], (3, side, side)), save


def run_thaw(thaw, folder, paths):
    """The probabilities, or Thaw's message."""
    from hub_networks import ENV
    said = subprocess.run([thaw, "predict", "--model", folder, "--top", str(CLASSES), "--json", *paths],
                          capture_output=True, text=True, env=ENV)
    if said.returncode == 0:
        return json.loads(said.stdout), None
    lines = said.stderr.strip().splitlines()
    return None, lines[-1] if lines else f"ended with {said.returncode}"


def try_one(name, thaw, limit):
    import math

    import torch
    from PIL import Image

    from hub_networks import centred, fit_statistics, photographs, randomise, scale_classifier
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        load = load_transformers if name.startswith("hf:") else load_timm
        count, network, save = load(name.removeprefix("hf:"), folder, limit)
        found = {"name": name, "parameters": count}
        if not network:
            return dict(found, result="skipped", detail="")
        model, transform, shape = network
        module = type(model).__module__
        found["module"] = module.split(".")[-1] if name.startswith("hf:") else module.removeprefix("timm.models.")
        with tempfile.TemporaryDirectory() as pictures:
            paths = photographs(pictures)[:2]
            model.eval()
            save()
            _, message = run_thaw(thaw, folder, paths)
            if message:
                return dict(found, result="refused", detail=message)
            randomise(model)
            fit_statistics(model, torch.randn(2, *shape))
            images = torch.stack([transform(Image.open(p).convert("RGB")) for p in paths])
            scale_classifier(model, images)
            save()
            predictions, message = run_thaw(thaw, folder, paths)
            if message:
                return dict(found, result="differs", detail=message)
            theirs = centred(model, images)
        ours = torch.zeros_like(theirs)
        for i, image in enumerate(predictions["images"]):
            for p in image["predictions"]:
                ours[i, p["class"]] = math.log(p["probability"])
        apart = float((ours - ours.mean(1, keepdim=True) - theirs).abs().max() / theirs.abs().max())
    return dict(found, result="read" if apart <= TOLERANCE else "differs", detail=f"{apart:.1e}")


def run_child(name, thaw, limit, pipe):
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        found = try_one(name, thaw, limit)
    except BaseException as e:
        found = {"name": name, "result": "failed", "detail": f"{type(e).__name__}: {e}"[:200]}
    pipe.send(found)


def start(name, o):
    """A network may take all memory or never end, so it has a process of its own."""
    receive, send = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=run_child, args=(name, o.thaw, o.limit * 1e6, send))
    child.start()
    send.close()
    return name, child, receive, time.monotonic() + TIMEOUT


def finish(name, child, receive, deadline):
    """The result; None if the process is still at work."""
    if receive.poll(0.2):
        try:
            found = receive.recv()
        except EOFError:
            found = {"name": name, "result": "failed", "detail": "the process ended"}
    elif time.monotonic() < deadline:
        return None
    else:
        child.kill()
        found = {"name": name, "result": "failed", "detail": f"more than {TIMEOUT} s"}
    child.join()
    return found


def try_all(names, o):
    import timm
    import torch
    import transformers
    torch.set_num_threads(1)
    names, running = list(names), []
    while names or running:
        while names and len(running) < o.jobs:
            running.append(start(names.pop(0), o))
        for entry in list(running):
            found = finish(*entry)
            if found:
                running.remove(entry)
                yield found


def read_results(path):
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return {r["name"]: r for r in map(json.loads, file)}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--limit", type=float, default=200, help="million parameters")
    options.add_argument("--jobs", type=int, default=1, help="networks at once")
    options.add_argument("thaw")
    options.add_argument("results")
    options.add_argument("names", nargs="*")
    o = options.parse_args()
    results = read_results(o.results)
    names = o.names or [n for n in all_names() if n not in results]
    for found in try_all(names, o):
        results[found["name"]] = found
        with open(o.results, "a") as file:
            file.write(json.dumps(found) + "\n")
        print(found["name"], found["result"], found["detail"][:120], flush=True)


if __name__ == "__main__":
    main()
