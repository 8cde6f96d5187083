"""Holds dlib_resnet.onnx against descriptors computed by dlib itself on the same aligned chips.

    python check.py [MODELS_DIR [GOLDEN_DIR]]

GOLDEN_DIR (default $FACERECOG_SHARED/golden) has chips.json and the chips, 150×150 RGB. Prints the
largest difference of a component and of a whole descriptor, and fails above 5e-4 a component:
float16 weights and another order of summation are to cost no more.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

TOLERANCE = 5e-4


def main():
    here = Path(__file__).resolve().parent
    models = Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent
    shared = os.environ.get("FACERECOG_SHARED", here.parents[1].parent / "shared")
    golden = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(shared) / "golden"
    chips = json.loads((golden / "chips.json").read_text())["chips"]
    net = onnxruntime.InferenceSession(
        str(models / "dlib_resnet.onnx"), providers=["CPUExecutionProvider"]
    )
    components, distances = [], []
    for chip in chips:
        rgb = np.asarray(Image.open(golden / chip["chip_png"]).convert("RGB"), np.float32)
        (descriptor,) = net.run(None, {"input": rgb.transpose(2, 0, 1)[None]})[0]
        difference = descriptor - np.array(chip["encoding_from_chip"])
        components.append(np.abs(difference).max())
        distances.append(np.linalg.norm(difference))
    print(
        f"{len(chips)} chips: largest difference of a component {max(components):.2e}, "
        f"of a descriptor {max(distances):.2e} (Euclidean)"
    )
    if not chips or max(components) > TOLERANCE:
        sys.exit(f"more than {TOLERANCE} a component, or no chips at all")


if __name__ == "__main__":
    main()
