"""Fine-tunes imported networks with two ranks, interrupts and resumes them, exports them, and compares the predicted
class of every test image with ONNX Runtime's on the exported model.

    python tests/compare/onnx_finetune.py build/thaw DATA [NETWORK...]

DATA holds train/ and test/ with a folder for each class; NETWORK is a name of timm's; weights are random. Needs torch,
torchvision, timm, onnx, onnxruntime, pillow.
"""
import glob
import json
import os
import subprocess
import sys
import tempfile
import warnings

import onnx
import onnxruntime
import timm
import torch
from PIL import Image
from torchvision import transforms as T

NETWORKS = ["vit_tiny_patch16_224", "convnext_atto"]
INTERRUPTED = 75  # exit code: saved but not finished


def export(name, path):
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False).eval()
    torch.onnx.export(model, torch.randn(2, 3, 224, 224), path, opset_version=17, dynamo=False, input_names=["image"],
                      output_names=["logits"], dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}})


def train(thaw, model, data, run, stop_after):
    """Trains with two ranks and sends SIGUSR1 after `stop_after` seconds. Returns the exit code."""
    command = ["mpirun", "-np", "2", thaw, "train", "--model", model, "--data", data, "--out", run, "--unfreeze", "last:2",
               "--epochs", "3", "--batch", "32", "--lanes", "2", "--lr", "0.01"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return process.wait(stop_after)
    except subprocess.TimeoutExpired:
        process.send_signal(10)  # SIGUSR1, which mpirun forwards
        return process.wait()


def runtime_classes(path, images):
    """The predicted class of every image, preprocessed according to the model's metadata."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    said = {p.key: p.value for p in model.metadata_props}
    want, labels = json.loads(said["thaw.preprocess"]), json.loads(said["thaw.labels"])
    filters = {"bicubic": T.InterpolationMode.BICUBIC, "bilinear": T.InterpolationMode.BILINEAR}
    prepare = T.Compose([T.Resize(want["resize"], interpolation=filters[want["filter"]]), T.CenterCrop(want["size"]),
                         T.ToTensor(), T.Normalize(want["mean"], want["std"])])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = {}
    for image in images:
        x = prepare(Image.open(image).convert("RGB"))[None].numpy()
        found[image] = labels[int(session.run(None, {"image": x})[0][0].argmax())]
    return found


def check(thaw, data, name):
    with tempfile.TemporaryDirectory() as folder:
        model, run, exported = (os.path.join(folder, f) for f in (f"{name}.onnx", "run", "exported.onnx"))
        export(name, model)
        codes = [train(thaw, model, data, run, 20)]
        while codes[-1] == INTERRUPTED and len(codes) < 9:
            codes.append(train(thaw, model, data, run, None if len(codes) > 1 else 20))
        subprocess.run([thaw, "export", run, "--onnx", exported], check=True, stdout=subprocess.DEVNULL)
        images = sorted(glob.glob(os.path.join(data, "test", "*", "*")))
        said = json.loads(subprocess.run([thaw, "predict", "--model", run, "--json", *images], check=True,
                                         capture_output=True).stdout)
        ours = {p["image"]: p["predictions"][0]["label"] for p in said["images"]}
        theirs = runtime_classes(exported, images)
    same = sum(ours[i] == theirs[i] for i in images)
    right = sum(os.path.basename(os.path.dirname(i)) == theirs[i] for i in images)
    print(f"{name}: exit codes {codes}, {same} of {len(images)} images of the same class, top-1 {100 * right / len(images):.2f} %",
          flush=True)
    return codes[-1] == 0 and len(codes) > 1 and same == len(images)


def main():
    warnings.filterwarnings("ignore")
    good = [check(sys.argv[1], sys.argv[2], name) for name in sys.argv[3:] or NETWORKS]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
