# One target folder, and the same profile and features everywhere: anything else builds the inference
# engine once more, which takes minutes.
CARGO ?= cargo
BUILD := --release --workspace
TARGET := $(or $(CARGO_TARGET_DIR),target)
RECOGNIZER := $(TARGET)/release/recognizer
RUN := $(TARGET)/run

.PHONY: help build run test test-neon bench compare fuzz load e2e chaos manifests image

help:
	@echo "make run        build, learn known_people/, name the people on examples/"
	@echo "make test       format, lints, tests, documentation: what CI runs"
	@echo "make test-neon  the kernels' tests on 64-bit ARM, emulated on any other CPU; root installs QEMU and a compiler"
	@echo "make bench      time decode, detect, align, embed, search and the whole"
	@echo "make load       64 clients for SECONDS=120 while the gallery is published anew, then SIGTERM"
	@echo "make e2e        500 photos through the whole system, on MariaDB and NSQ"
	@echo "make chaos      the same while every process is killed and started again"
	@echo "make fuzz       every fuzz target for SECONDS=600; takes nightly Rust and cargo-fuzz"
	@echo "make compare    the same work by other libraries, side by side: WORK=inference, identify, accuracy, original, search, search-open"
	@echo "make manifests  check deploy/ against Kubernetes and the programs; takes Go"
	@echo "make image      static binaries, container images of them, and a try; takes buildah, curl and root"
	@echo "make build      build alone: $(RECOGNIZER)"

build:
	$(CARGO) build $(BUILD)

run: build
	@mkdir -p $(RUN)
	@$(RECOGNIZER) identify examples --known known_people --index $(RUN)/index --draw $(RUN)/pictures
	@$(RECOGNIZER) identify examples --index $(RUN)/index --json >$(RUN)/answers.jsonl
	@sed -E 's|^\{"photo":"examples/([^"]*)",.*"image_name":"([^"]*)","faces":.*|\1,\2|' $(RUN)/answers.jsonl >$(RUN)/named.csv
	@tail -n +2 examples/expected.csv | cut -d, -f1,2 | diff - $(RUN)/named.csv \
		|| { echo "wrong names: < is right, > was answered"; exit 1; }
	@echo
	@echo "Everyone is named as examples/expected.csv says. The photos with boxes and names:"
	@ls -d $(RUN)/pictures/*

test:
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(BUILD) --all-targets -- -D warnings
	$(CARGO) test $(BUILD) -- --show-output
	$(CARGO) test $(BUILD) --features recognizer-server/otel --test traces -- --show-output
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(BUILD) --no-deps

# Ten minutes, most of them the emulator's.
test-neon:
	@CARGO=$(CARGO) sh engine/kernels/tests/neon.sh

bench:
	$(CARGO) bench --workspace --bench '*'

compare:
	@benches/compare/run.sh "$(WORK)"

# Everything is built anew with the flags of the fuzzer, in fuzz/target: that takes ten minutes once.
FUZZ_TARGETS ?= photo_decode index_open manifest request
FUZZ := $(CARGO) +nightly fuzz

fuzz:
	$$(sh tests/peers/venv.sh) fuzz/seeds.py
	$(FUZZ) build --sanitizer address
	@for target in $(FUZZ_TARGETS); do \
		$(FUZZ) run --sanitizer address $$target fuzz/corpus/$$target fuzz/regressions/$$target -- \
			-max_total_time=$(or $(SECONDS),600) -rss_limit_mb=2048 -timeout=20 -max_len=65536 \
			-print_final_stats=1 || exit 1; \
	done

load: build
	@$$(sh tests/peers/venv.sh) benches/load/load.py --recognizer $(RECOGNIZER) \
		--shared $(or $(FACERECOG_SHARED),../shared) --seconds $(or $(SECONDS),120)

# The system on the real things: MariaDB from apt (root installs it when there is none), NSQ by `go install`.
e2e chaos: build
	@python3 tests/e2e/$@.py --pipeline $(TARGET)/release/pipeline --recognizer $(RECOGNIZER) \
		--shared $(or $(FACERECOG_SHARED),../shared)

manifests: build
	@sh tests/deploy/check.sh $(RECOGNIZER) $(TARGET)/release/pipeline

VERSION ?= v1.0

# The images of deploy/Dockerfile, from binaries that are compiled here: no base image has to be fetched.
image:
	sh deploy/build.sh target/image
	@for image in recognizer pipeline; do \
		buildah build --quiet --format docker --file deploy/Dockerfile --target $$image \
			--build-arg BINARIES=prebuilt --build-arg VERSION=$(VERSION) \
			--build-arg REVISION=$$(git rev-parse HEAD) --tag facerecog/$$image:$(VERSION) . || exit 1; \
	done
	@buildah images --format '{{.Name}}:{{.Tag}} {{.Size}}' | grep facerecog/
	@sh tests/deploy/image.sh facerecog/recognizer:$(VERSION) recognizer
	@sh tests/deploy/image.sh facerecog/pipeline:$(VERSION) pipeline
