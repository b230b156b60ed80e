#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times CLADE against PyTorch on this machine: training steps and super-resolution of patches, full-size networks.

    bench/compare_torch.py --device cpu|cuda [--bench build/bench/bench_step] [--json FILE]

First both are held against tests/golden (the same networks, the same losses, the same gradients), so that both do the
same work. Then every round times bench_step and each PyTorch variant in turn (on the CPU also ONNX Runtime, if it is
there, with the network exported from PyTorch); ratios are medians over rounds. PyTorch
does not compute the four standard deviations that CLADE monitors in every step, and its batch stays where it is.
"""

import argparse
import itertools
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

import torch

from torch_clade import Clade, Step, read_safetensors

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
FULL_PRECISION, TF32, BF16 = "fp32", "tf32", "bf16"
# An instance norm behind a bias takes its gradient away.
WITHOUT_GRADIENT = re.compile(r"discriminator_[xy]\.layers\.[123]\.bias")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--bench", type=pathlib.Path, default=ROOT / "build" / "bench" / "bench_step")
    parser.add_argument("--json", type=pathlib.Path, help="where the results go")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="shortest timing of one variant in a round")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of both, on the CPU")
    parser.add_argument("--batches", default="1,16", help="of training")
    parser.add_argument("--patches", type=int, help="a call of the network in inference [CPU 32, CUDA 256]")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--budget", type=float, default=3600.0, help="seconds after which nothing new is begun")
    options = parser.parse_args()
    options.patches = options.patches or (256 if options.device == "cuda" else 32)
    options.end = time.monotonic() + options.budget
    return options


def set_precision(precision):
    torch.backends.cuda.matmul.allow_tf32 = precision == TF32
    torch.backends.cudnn.allow_tf32 = precision == TF32


def wait():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


# ---- the same work ----


def distance(value, reference):
    return ((value.double() - reference.double()).norm() / reference.double().norm()).item()


def check_against_goldens(device):
    """Outputs, losses of three steps and gradients of the first; returns the errors, exits if one is too large."""
    set_precision(FULL_PRECISION)
    init, patches = read_safetensors(GOLDEN / "init.safetensors"), read_safetensors(GOLDEN / "patches.safetensors")
    forward = read_safetensors(GOLDEN / "forward.safetensors")
    gradients = read_safetensors(GOLDEN / "train_demod_bce_b1.grads1.safetensors")
    model = Clade(channels=8, blocks=2, adversarial="bce", form="combined")
    model.load_state_dict(init)
    model.to(device)
    patches = {domain: images.to(device) for domain, images in patches.items()}

    errors = {"output": 0.0, "losses of step 1": 0.0, "losses of steps 2 and 3": 0.0, "gradients": 0.0}
    with torch.no_grad():
        for domain in "xy":
            generator = getattr(model, f"generator_{domain}")
            output = generator(patches[domain], generator.effective_weights()).cpu()
            errors["output"] = max(errors["output"],
                                   distance(output, forward[f"demod.reflect.generator_{domain}({domain})"]))
    step = Step(model, learning_rate=2e-4)
    lines = (GOLDEN / "train_demod_bce_b1.losses_f64.jsonl").read_text().splitlines()
    for i, line in enumerate(lines):
        expected = json.loads(line)
        x, y = patches["x"][i:i + 1], patches["y"][i:i + 1]
        terms, judgements = model.merged_losses(x, y)
        values = {**terms, **judgements, "g_total": model.total(terms)}
        key = "losses of step 1" if i == 0 else "losses of steps 2 and 3"
        errors[key] = max([errors[key]] + [abs(v.item() / expected[k] - 1) for k, v in values.items()])
        step(x, y)
        if i > 0:
            continue
        for name, parameter in model.named_parameters():
            if not WITHOUT_GRADIENT.fullmatch(name):
                errors["gradients"] = max(errors["gradients"], distance(parameter.grad.cpu(), gradients[name]))
    limits = {"output": 1e-5, "losses of step 1": 1e-4, "losses of steps 2 and 3": 2e-3, "gradients": 1e-3}
    for key, error in errors.items():
        print(f"PyTorch against the goldens, {key}: {error:.1e} (at most {limits[key]:.0e})")
    if any(error > limits[key] for key, error in errors.items()):
        sys.exit("compare_torch: PyTorch does not do the same work; nothing was timed")
    return errors


# ---- variants of PyTorch ----


def graphed(work):
    """`work` as a CUDA graph; the warm-up on a side stream is what torch.cuda.graph asks for."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def make_training(options, batch, layout, compiled, graph, dtype):
    model = Clade().to(options.device, dtype).to(memory_format=layout)
    x, y = (torch.empty(batch, 1, 32, 32, device=options.device).uniform_(-0.9, 0.9) for _ in range(2))
    step = Step(model, compiled)
    work = lambda: step(x, y)
    return graphed(work) if graph else work


def make_inference(options, count, layout, compiled, graph, dtype):
    generator = Clade().generator_x.to(options.device, dtype).to(memory_format=layout)
    with torch.no_grad():
        weights = [w.detach() for w in generator.effective_weights()]
    x = torch.empty(count, 1, 32, 32, device=options.device, dtype=dtype).uniform_(-0.9, 0.9)
    apply = torch.compile(lambda x: generator(x, weights)) if compiled else lambda x: generator(x, weights)

    def work():
        # inference_mode does not go together with graphs and compilation in all versions.
        with torch.no_grad():
            apply(x)

    return graphed(work) if graph else work


def make_onnx_runtime(options, count):
    """The same network, exported with its effective weights as constants, in ONNX Runtime."""
    import onnxruntime
    generator = Clade().generator_x

    class Fixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.generator = generator
            for i, weight in enumerate(generator.effective_weights()):
                self.register_buffer(f"weight{i}", weight.detach())

        def forward(self, x):
            return self.generator(x, list(self.buffers()))

    x = torch.empty(count, 1, 32, 32).uniform_(-0.9, 0.9)
    fixed = Fixed().eval()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = os.path.join(folder, "generator.onnx")
        torch.onnx.export(fixed, (x,), path, input_names=["x"], output_names=["y"], verbose=False)
        session_options = onnxruntime.SessionOptions()
        session_options.intra_op_num_threads = options.threads
        session = onnxruntime.InferenceSession(path, session_options, providers=["CPUExecutionProvider"])
        feed = {"x": x.numpy()}
        (y,) = session.run(["y"], feed)
        if distance(torch.from_numpy(y), fixed(x)) > 1e-5:
            raise RuntimeError("its output is another one")
    return lambda: session.run(["y"], feed)


def variants(options, compiled):
    """Name and (memory format, compiled, graphed) of each way to run PyTorch."""
    graph = options.device == "cuda"
    name = ("compile" if compiled else "eager") + (" + graph" if graph else "")
    result = {name: (torch.contiguous_format, compiled, graph),
              f"{name}, channels_last": (torch.channels_last, compiled, graph)}
    if graph and not compiled:
        result["eager"] = (torch.contiguous_format, False, False)
    return result


# ---- timing ----


def time_torch(work, seconds):
    """Seconds a call: as many calls as fill `seconds`, one wait at the end."""
    begin = time.perf_counter()
    work()
    wait()
    once = time.perf_counter() - begin
    count = max(1, round(seconds / once))
    begin = time.perf_counter()
    for _ in range(count):
        work()
    wait()
    return (time.perf_counter() - begin) / count


def time_clade(options, what, precision, batch):
    """Seconds a step or a call of the network, by bench_step."""
    command = [options.bench, f"--device={options.device}", f"--threads={options.threads}",
               f"--benchmark_filter=^{what}/transposed/{precision}/batch:{batch}/", "--benchmark_format=json",
               f"--benchmark_min_time={options.seconds}"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    (result,) = json.loads(output)["benchmarks"]
    if "error_message" in result:
        sys.exit(f"compare_torch: {result['name']}: {result['error_message']}")
    return result["step_seconds"] if what == "training_step" else batch / result["patches/s"]


def prepare(options, what, precision, batch, compiled):
    make = make_training if what == "training_step" else make_inference
    ready, failed = {}, {}
    for name, (layout, compiled, graph) in variants(options, compiled).items():
        if time.monotonic() > options.end:
            failed[name] = "no time left"
            continue
        try:
            torch.manual_seed(0)
            dtype = torch.bfloat16 if precision == BF16 else torch.float32
            work = make(options, batch, layout, compiled, graph, dtype)
            for _ in range(3):
                work()
            wait()
            ready[name] = work
        except Exception as error:  # a variant that this PyTorch cannot run must not stop the others
            failed[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if what == "inference" and options.device == "cpu" and not compiled:
        try:
            ready["ONNX Runtime"] = make_onnx_runtime(options, batch)
        except Exception as error:  # it is no part of PyTorch, and may not be there
            failed["ONNX Runtime"] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return ready, failed


def compare(options, what, precision, batch, compiled):
    set_precision(precision)
    if compiled:
        torch.compiler.reset()
    ready, failed = prepare(options, what, precision, batch, compiled)
    times = {"CLADE": [], **{name: [] for name in ready}}
    for _ in range(options.rounds):
        if not ready or (times["CLADE"] and time.monotonic() > options.end):
            break
        times["CLADE"].append(time_clade(options, what, precision, batch))
        for name, work in ready.items():
            times[name].append(time_torch(work, options.seconds))
    rows = {name: {"seconds": values, "median_seconds": statistics.median(values),
                   "times_clade": statistics.median(t / c for t, c in zip(values, times["CLADE"]))}
            for name, values in times.items() if values}
    return {"what": what, "precision": precision, "batch": batch, "rows": rows, "failed": failed}


def show(result):
    per = "a step" if result["what"] == "training_step" else f"a call of {result['batch']} patches"
    print(f"\n{result['what']}, {result['precision']}, batch {result['batch']}: ms {per}, median [all], times CLADE")
    for name, row in result["rows"].items():
        all_times = ", ".join(f"{1e3 * t:.3g}" for t in row["seconds"])
        print(f"  {name:32} {1e3 * row['median_seconds']:9.3f}  {row['times_clade']:5.2f}x  [{all_times}]")
    for name, reason in result["failed"].items():
        print(f"  {name:32} not timed: {reason}")
    sys.stdout.flush()


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    options = arguments()
    on_gpu = options.device == "cuda"
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.backends.cudnn.benchmark = True
    if not hasattr(torch, "compile"):  # before PyTorch 2
        options.no_compile = True
    if not options.no_compile:
        from torch import _dynamo
        # Each shape is compiled for itself, as is each variant of the same functions.
        _dynamo.config.automatic_dynamic_shapes = False
        _dynamo.config.recompile_limit = 64
    report = {"device": torch.cuda.get_device_name() if on_gpu else processor(), "threads": options.threads,
              "torch": torch.__version__, "goldens": check_against_goldens(options.device), "results": []}
    print(f"\n{report['device']}, {options.threads} threads, PyTorch {torch.__version__}")
    batches = [int(b) for b in options.batches.split(",")]
    work = [("training_step", batch) for batch in batches] + [("inference", options.patches)]
    precisions = [TF32, BF16, FULL_PRECISION] if on_gpu else [FULL_PRECISION]
    # What is compiled comes last, because that takes longest.
    for compiled, precision, (what, batch) in itertools.product(
            [False] if options.no_compile else [False, True], precisions, work):
        if precision == BF16 and what == "training_step":
            continue
        if time.monotonic() > options.end:
            print(f"\n{what}, {precision}, batch {batch}{', compiled' if compiled else ''}: not timed, no time left")
            continue
        result = compare(options, what, precision, batch, compiled)
        show(result)
        report["results"].append(result)
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
