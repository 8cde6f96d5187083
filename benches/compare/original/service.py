"""The original service: compares the face on a photo with those on all known photos, which it reads, searches for faces
and embeds again for every request.

    python service.py KNOWN_PEOPLE

Prints the port. It differs from the original where that favours it: the processes that look at known photos are started
once, as many as there are cores, and not ten for each request, and they hold one thread each.
"""

import concurrent.futures
import multiprocessing
import os
import pathlib
import re
import sys

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import face_recognition  # noqa: E402

TOLERANCE = 0.6


def encodings(path):
    return face_recognition.face_encodings(face_recognition.load_image_file(path))


def is_same(path, probe):
    return bool(face_recognition.compare_faces(encodings(path)[:1], probe, TOLERANCE)[0])


def first_same(pool, known, image_path):
    photos = [entry for entry in os.scandir(known) if re.match(r".*\.(jpg|jpeg|png)", entry.name, re.IGNORECASE)]
    probe = encodings(image_path)[0]
    found = pool.starmap(is_same, [(photo.path, probe) for photo in photos], chunksize=1)
    return next((photo.name for photo, same in zip(photos, found) if same), "not_found")


def main(known):
    # Before gRPC has threads.
    pool = multiprocessing.get_context("fork").Pool(os.cpu_count())
    pool.map(abs, range(os.cpu_count()))
    import grpc

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    import contract

    class Identify(contract.services.IdentifyServicer):
        def Identify(self, request, context):
            name = first_same(pool, known, request.image_path)
            return contract.messages.IdentifyResponse(image_name=name)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=10))
    contract.services.add_IdentifyServicer_to_server(Identify(), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1])
