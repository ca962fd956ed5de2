# The two commands of the README. Each sets up its own .venv from nothing (Python 3.11+ and make).
PYTHON ?= python3
VENV := .venv
NEWEST := .venv-newest
PINS := --constraint constraints.txt
DEMO := demo_output
# Of the container image. DEVICE: gpu, or cpu, which is smaller. BUILD: another builder, with options of its own.
DEVICE ?= gpu
BUILD ?= docker build
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' bids_stroke/__init__.py)

.PHONY: demo test lint ruff mypy pytest newest test-newest constraints image test-container clean

$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet $(PINS) --editable ".[test]"
	$(VENV)/bin/python -c "import torch, torchvision; torchvision.ops.nms"
	touch $@

demo: $(VENV)/installed
	$(VENV)/bin/bids-validator-deno example_bids_dataset
	$(VENV)/bin/bids_stroke example_bids_dataset $(DEMO) participant --skip-bids-validation
	$(VENV)/bin/bids_stroke example_bids_dataset $(DEMO) group
	$(VENV)/bin/bids-validator-deno $(DEMO)
	@echo
	@echo "Reports (open in a browser; the group's links to everybody):"
	@ls $(abspath $(DEMO))/group.html $(abspath $(DEMO))/sub-01.html

test: lint pytest
lint: ruff mypy

ruff: $(VENV)/installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

mypy: $(VENV)/installed
	$(VENV)/bin/mypy

pytest: $(VENV)/installed
	$(VENV)/bin/python -m pytest --numprocesses 2 --dist worksteal -m "not slow" --cov --cov-report=term

# An environment of today's newest packages, beside .venv and always new.
newest:
	rm -rf $(NEWEST)
	$(MAKE) VENV=$(NEWEST) PINS= $(NEWEST)/installed

# Ruff, mypy and the tests with them: what broke, then which packages differ; the exit status is that of the checks.
test-newest: newest
	@$(MAKE) --keep-going VENV=$(NEWEST) PINS= test; status=$$?; echo; \
	$(NEWEST)/bin/python .ci/pins.py; exit $$status

# Pins what is newest today. Afterwards `make test` installs and tests exactly that.
constraints: newest
	$(NEWEST)/bin/python .ci/pins.py write

image:
	$(BUILD) --build-arg DEVICE=$(DEVICE) --build-arg VERSION=$(VERSION) \
		--build-arg REVISION="$$(git rev-parse HEAD)" -t bids_stroke:$(VERSION) -t bids_stroke .

# Needs podman, and the image; what is missing is said and skipped.
test-container: $(VENV)/installed
	$(VENV)/bin/python -m pytest -m container tests/end_to_end/test_container.py

clean:
	rm -rf $(VENV) $(NEWEST) $(DEMO) build *.egg-info
