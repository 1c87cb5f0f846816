"""Compares the light models of the onnx package (networks of 2012 to 2018, weights computed by nodes) with ONNX
Runtime.

    make build/tests/compare/onnx
    python tests/compare/onnx_light.py build/tests/compare/onnx

All their weights are equal, so the output of their softmax is constant: its input is compared. Needs onnx, onnxruntime.
"""
import glob
import os
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime

FOLDER = os.path.join(os.path.dirname(onnx.__file__), "backend/test/data/light")


def check(program, path):
    model = onnx.load(path)
    last = next(n for n in model.graph.node if model.graph.output[0].name in n.output)
    if last.op_type == "Softmax":
        model.graph.output[0].name = last.input[0]
        model.graph.node.remove(last)
        model.graph.output[0].ClearField("type")
        model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    with tempfile.TemporaryDirectory() as folder:
        network, images, logits = (os.path.join(folder, f) for f in ("network.onnx", "images", "logits"))
        onnx.save(model, network)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        x = numpy.random.default_rng(1).standard_normal(session.get_inputs()[0].shape).astype("<f4")
        session.run(None, {session.get_inputs()[0].name: x})[0].astype("<f4").tofile(logits)
        x.transpose(0, 2, 3, 1).tofile(images)
        done = subprocess.run([program, network, images, logits], capture_output=True, text=True, check=False)
    print(os.path.basename(path), (done.stdout + done.stderr).strip().split(": ", 1)[-1], flush=True)
    return done.returncode == 0


def main():
    good = [check(sys.argv[1], path) for path in sorted(glob.glob(os.path.join(FOLDER, "*.onnx")))]
    sys.exit(not good or not all(good))


if __name__ == "__main__":
    main()
