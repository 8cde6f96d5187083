"""What both drivers are told."""

import argparse
import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def parse(description):
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "release"
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=Path, default=target / "pipeline")
    parser.add_argument("--recognizer", type=Path,
                        default=Path(os.environ.get("FACERECOG_RECOGNIZER", target / "recognizer")))
    parser.add_argument("--shared", type=Path,
                        default=Path(os.environ.get("FACERECOG_SHARED", REPOSITORY.parent / "shared")))
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    return parser.parse_args()
