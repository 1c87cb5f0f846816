"""One measurement of inference by ONNX Runtime or OpenVINO with one thread, as one JSON line, for inference.py.

  runtimes.py onnxruntime|openvino NETWORK.onnx --batch 32 --seconds 2 [--precision bf16]

bf16 is OpenVINO's INFERENCE_PRECISION_HINT; ONNX Runtime has fp32 only on processors. Batch 1 is OpenVINO's latency
hint."""
import argparse
import json
import time

import numpy as np


def onnxruntime_call(args, images):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(args.network, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"image": images}), onnxruntime.__version__


def openvino_call(args, images):
    import openvino
    core = openvino.Core()
    model = core.read_model(args.network)
    model.reshape(list(images.shape))
    compiled = core.compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": {"fp32": "f32"}.get(
            args.precision, args.precision),
        "PERFORMANCE_HINT": "LATENCY" if args.batch == 1 else "THROUGHPUT"})
    request = compiled.create_infer_request()
    return lambda: request.infer({0: images}, share_inputs=True), openvino.__version__.split("-")[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runtime", choices=["onnxruntime", "openvino"])
    parser.add_argument("network")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2, help="at least one run after the first")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    args = parser.parse_args()
    images = np.random.default_rng(1).standard_normal((args.batch, 3, 224, 224), dtype=np.float32)
    call, version = globals()[args.runtime + "_call"](args, images)
    call()
    times, begin = [], time.time()
    while not times or time.time() - begin < args.seconds:
        start = time.time()
        call()
        times.append(time.time() - start)
    print(json.dumps({"images_per_second": args.batch / sorted(times)[len(times) // 2], "version": version}))


main()
