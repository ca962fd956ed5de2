# The two commands of the README. Each sets up its own .venv from nothing (Python 3.11+ and make).
PYTHON ?= python3
VENV := .venv
DEMO := demo_output

.PHONY: demo test lint clean

$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet --editable ".[test]"
	$(VENV)/bin/python -c "import torch, torchvision; torchvision.ops.nms"
	touch $@

demo: $(VENV)/installed
	$(VENV)/bin/bids-validator-deno example_bids_dataset
	$(VENV)/bin/bids_stroke example_bids_dataset $(DEMO) participant --skip-bids-validation
	$(VENV)/bin/bids_stroke example_bids_dataset $(DEMO) group
	$(VENV)/bin/bids-validator-deno $(DEMO)
	@echo
	@echo "Reports (open in a browser):"
	@ls $(abspath $(DEMO))/sub-*.html $(abspath $(DEMO))/group.html

lint: $(VENV)/installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

test: $(VENV)/installed lint
	$(VENV)/bin/python -m pytest --numprocesses 2 --dist worksteal -m "not slow" --cov --cov-report=term

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info
