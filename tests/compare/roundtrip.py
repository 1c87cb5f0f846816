#!/usr/bin/env python3
"""roundtrip.py REEXPORT MODEL.onnx...: compares the outputs of networks before and after import and export by Thaw.

Each model is imported and exported again by REEXPORT (build/tests/compare/reexport), checked by onnx's checker, and run
by ONNX Runtime on the same random images as the original. Prints the largest difference over the largest logit, and the
numbers of nodes and transposes of both; the exit code is 1 if the difference is above 1e-5.

Networks with random weights may be so sensitive that ONNX Runtime's own optimisations change their outputs: this
difference is then printed, and one up to four times as large is accepted.
"""
import os
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime

TOLERANCE = 1e-5
IMAGES = 2
OPEN_SIZE = 224


def outputs(path, images, optimised=True):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def images_for(path):
    dims = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    size = [d.dim_value or OPEN_SIZE for d in dims]
    size[0] = dims[0].dim_value or IMAGES
    return numpy.random.default_rng(1).standard_normal(size).astype(numpy.float32)


def difference(a, b):
    return float(numpy.abs(a - b).max() / max(numpy.abs(b).max(), numpy.finfo(numpy.float32).tiny))


def count(path):
    nodes = onnx.load(path).graph.node
    return len(nodes), sum(n.op_type == "Transpose" for n in nodes)


def main():
    tool, models = sys.argv[1], sys.argv[2:]
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        again = os.path.join(folder, "again.onnx")
        for model in models:
            name = os.path.basename(model)
            if subprocess.run([tool, model, again]).returncode != 0:
                print(f"{name}: not exported")
                worst = numpy.inf
                continue
            onnx.checker.check_model(again, full_check=True)
            images = images_for(model)
            before, after = outputs(model, images), outputs(again, images)
            error = difference(after, before)
            (nodes, turns), (new_nodes, new_turns) = count(model), count(again)
            print(f"{name}: {error:.2g}, {nodes} nodes with {turns} transposes became {new_nodes} with {new_turns}",
                  flush=True)
            if error > TOLERANCE:
                own = difference(outputs(model, images, optimised=False), before)
                print(f"{name}: without the runtime's optimisations the original differs by {own:.2g}", flush=True)
                error = 0 if error <= 4 * own else error
            worst = max(worst, error)
    sys.exit(worst > TOLERANCE)


main()
