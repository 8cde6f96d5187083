#!/usr/bin/env python3
"""Runs networks by our kernels, by ONNX Runtime and by tract: the same file, the same input, one thread each, in turns.

Prints one JSON line for each comparison and keeps them in benches/results/<date>-<cpu>-inference.csv. Run by
`make compare WORK=inference`. Words after it choose works whose names begin with them.
"""

import dataclasses
import logging
import os
import pathlib
import statistics
import sys
import time

import cv2
import numpy
import onnxruntime
from onnxruntime import quantization

import faces
import shapes
import turns

OURS = turns.TARGET / "release/examples/compare_inference"
ROUNDS = 15
ROUND_MS = 60
CALIBRATION, HELD_BACK = 100, 200
# Of the largest number of an output. f32 takes Winograd's way where it is faster.
MOST_DIFFERENCE = {"f32": 1e-3}


@dataclasses.dataclass
class Work:
    name: str
    file: pathlib.Path
    images: numpy.ndarray
    precisions: tuple = ("f32",)
    # Whether to compare with ONNX Runtime's own int8 too.
    int8: bool = False
    # Images that ranges for int8 come from, and those that are compared after it.
    calibration: numpy.ndarray = None
    held_back: numpy.ndarray = None
    # Embedders give one vector, and its direction is what counts.
    is_embedder: bool = False

    @property
    def size(self):
        return self.images.shape[2:]

    def path(self, images, kind):
        path = turns.FOLDER / f"{self.name.replace(' ', '-')}-{kind}.f32"
        images.astype(numpy.float32).tofile(path)
        return path


def works():
    """Every network, and what it looks at: photos, or faces on them."""
    built_in, photo = turns.ROOT / "models", cv2.imread(str(turns.ROOT / "known_people/obama.jpg"))
    group = cv2.imread(str(turns.ROOT / "examples/group.jpg"))
    chips = faces.chips(CALIBRATION + HELD_BACK)

    def pair(width, height, bgr=False, of=(photo, group)):
        return numpy.stack([faces.planes(cv2.resize(image, (width, height)), bgr=bgr) for image in of])

    normalised = numpy.stack([faces.planes(chip, faces.MEAN, faces.SCALE) for chip in chips])
    arcface = numpy.stack([faces.planes(chip, [127.5] * 3, [1 / 127.5] * 3) for chip in chips[:2]])
    scrfd = (pair(640, 640) - 127.5) / 128
    all_three, both = ("f32", "bf16", "int8"), ("f32", "bf16")
    yield Work(
        "mobilefacenet",
        turns.MODELS / "mobilefacenet.onnx",
        normalised[-2:],
        all_three,
        int8=True,
        calibration=normalised[:CALIBRATION],
        held_back=normalised[CALIBRATION:],
        is_embedder=True,
    )
    for side in (320, 640):
        file = turns.MODELS / "yunet_n_dynamic.onnx"
        yield Work(f"yunet {side}", file, pair(side, side, bgr=True), both)
    # The level of the pyramid on which faces of 40 pixels are found on a photo of 640×480.
    yield Work("mtcnn pnet", built_in / "mtcnn_pnet.onnx", pair(192, 144))
    yield Work("mtcnn rnet", built_in / "mtcnn_rnet.onnx", pair(24, 24, of=chips[:2]))
    yield Work("mtcnn onet", built_in / "mtcnn_onet.onnx", pair(48, 48, of=chips[:2]))
    file = built_in / "dlib_resnet.onnx"
    yield Work("dlib resnet", file, pair(150, 150, of=chips[:2]), both, is_embedder=True)
    file = shapes.make("arcface-r50", turns.FOLDER)
    yield Work("arcface-r50", file, arcface, is_embedder=True)
    file = shapes.make("sface", turns.FOLDER)
    yield Work("sface", file, pair(112, 112, bgr=True, of=chips[:2]), is_embedder=True)
    yield Work("scrfd-500m", shapes.make("scrfd-500m", turns.FOLDER), scrfd)


class OnnxRuntime:
    def __init__(self, name, file):
        self.name = name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def bind(self, image):
        """Bound, so that no time goes into Python's handling of arrays."""
        binding = self.session.io_binding()
        binding.bind_cpu_input(self.input, image[None])
        for output in self.session.get_outputs():
            binding.bind_output(output.name)
        return binding

    def outputs(self, image):
        return self.session.run(None, {self.input: image[None]})

    def times(self, binding, count):
        times = []
        for _ in range(count):
            start = time.perf_counter()
            self.session.run_with_iobinding(binding)
            times.append((time.perf_counter() - start) * 1e3)
        return times


class Images(quantization.CalibrationDataReader):
    def __init__(self, name, images):
        self.feeds = iter([{name: image[None]} for image in images])

    def get_next(self):
        return next(self.feeds, None)


def quantized(work):
    """The network as ONNX Runtime's own tool makes it for int8: static, QDQ, weights by channel."""
    logging.disable(logging.WARNING)
    name = OnnxRuntime("", work.file).input
    prepared, file = (turns.FOLDER / f"{work.file.stem}-{kind}.onnx" for kind in ("prepared", "int8"))
    quantization.shape_inference.quant_pre_process(str(work.file), str(prepared), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(prepared),
        str(file),
        Images(name, work.calibration),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    logging.disable(logging.NOTSET)
    return OnnxRuntime("onnxruntime int8", file)


class Side:
    """A child that runs the network of a work in one way."""

    def __init__(self, work, how):
        self.name, self.work = how, work
        calibration = [work.path(work.calibration, "calibration")] if how == "int8" else []
        self.child = turns.Child(OURS, work.file, how, *map(str, work.size), *calibration)
        self.images = work.path(work.images, "images")

    def times(self, count):
        return self.child.times("run", self.images, count)

    def both(self, count):
        return self.child.times("both", self.images, count)[0]

    def outputs(self, images, like):
        """Outputs for each image, parted as those of the peer are."""
        answers = turns.FOLDER / f"{self.work.name.replace(' ', '-')}-{self.name}-outputs.f32"
        self.child.ask("outputs", self.work.path(images, "asked"), answers)
        rows = numpy.fromfile(answers, dtype=numpy.float32).reshape(len(images), -1)
        ends = numpy.cumsum([output.size for output in like])[:-1]
        return [numpy.split(row, ends) for row in rows]


def difference(ours, peer):
    """The largest of all outputs, each by its largest number."""
    return max(abs(a - b.ravel()).max() / abs(b).max() for a, b in zip(ours, peer))


def cosines(ours, peer):
    return [float(a @ b / numpy.linalg.norm(a) / numpy.linalg.norm(b)) for a, b in zip(ours, peer)]


def agreement(work, precision, outputs, exact):
    """How far our outputs are from those of ONNX Runtime in f32; too far ends the run."""
    worst = float(max(difference(ours, peer) for ours, peer in zip(outputs, exact)))
    if worst > MOST_DIFFERENCE.get(precision, numpy.inf):
        raise SystemExit(f"{work.name} {precision}: an output is {worst:.1e} of its largest number away")
    found = {"difference": float(f"{worst:.2g}")}
    if work.is_embedder:
        cosine = statistics.mean(cosines([o[0] for o in outputs], [e[0].ravel() for e in exact]))
        found["cosine"] = round(cosine, 5)
    return found


def enough(side):
    """Runs that take about as long as a round should."""
    side(3)
    return max(1, min(200, round(ROUND_MS / statistics.median(side(5)))))


def measure(work):
    exact = OnnxRuntime("onnxruntime f32", work.file)
    tract = Side(work, "tract")
    ours = {precision: Side(work, precision) for precision in work.precisions}
    asked = work.images if work.held_back is None else work.held_back
    expected = [exact.outputs(image) for image in asked]
    agreements = {name: agreement(work, name, side.outputs(asked, expected[0]), expected) for name, side in ours.items()}
    agreement(work, "f32", tract.outputs(work.images, expected[0]), [exact.outputs(image) for image in work.images])

    peers = [exact] + ([quantized(work)] if work.int8 else [])
    of_peers = {}
    if work.int8:
        cosine = cosines([peers[1].outputs(image)[0].ravel() for image in asked], [e[0].ravel() for e in expected])
        of_peers["onnxruntime int8"] = {"peer_cosine": round(statistics.mean(cosine), 5)}
    sides = {name: side.times for name, side in ours.items()}
    for peer in peers:
        binding = peer.bind(work.images[0])
        sides[peer.name] = lambda count, peer=peer, binding=binding: peer.times(binding, count)
    sides["tract f32"] = tract.times
    counts = {name: enough(side) for name, side in sides.items()}
    rounds = turns.in_turns(ROUNDS, [lambda _, name=name: sides[name](counts[name]) for name in sides])
    times = {name: [time for some in each for time in some] for name, each in zip(sides, rounds)}
    size = "x".join(map(str, work.size))
    for precision in work.precisions:
        against = ["onnxruntime f32", "tract f32"] if precision == "f32" else ["onnxruntime f32"]
        against += ["onnxruntime int8"] if precision == "int8" else []
        for peer in against:
            more = {"input": size, **agreements[precision], **of_peers.get(peer, {})}
            yield turns.compare(f"{work.name} {precision}", times[precision], peer, times[peer], **more)
    if work.name == "mobilefacenet":
        yield two_threads(work, ours["f32"])
    for side in (tract, *ours.values()):
        side.child.close()


def two_threads(work, side):
    """Two photos on two threads, and on one: milliseconds for both photos."""
    count = enough(side.times)

    def on_one(_):
        return 2 * statistics.mean(side.times(count))

    def on_two(_):
        return side.both(count) / count

    two, one = turns.in_turns(ROUNDS, [on_two, on_one])
    line = turns.compare(f"{work.name} {side.name}, 2 photos on 2 threads", two, "ours 1 thread", one)
    return {**line, "cpus": os.cpu_count()}


def main(chosen):
    load_before = os.getloadavg()[0]
    lines = []
    for work in works():
        if not chosen or any(work.name.startswith(name) for name in chosen):
            lines += [turns.show(line) for line in measure(work)]
    if not chosen:
        peers = f"onnxruntime {onnxruntime.__version__}, tract as in Cargo.lock, one thread each"
        turns.keep("inference", lines, load_before, peers)


if __name__ == "__main__":
    turns.FOLDER.mkdir(parents=True, exist_ok=True)
    main(sys.argv[1:])
