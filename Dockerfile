# Build and run commands: CONTRIBUTING.md. The optional build secret `ca` is a file of certificates for a
# network that re-signs HTTPS; nothing of it stays in the image.
ARG BASE_IMAGE=debian:bookworm-slim
FROM ${BASE_IMAGE} AS base

RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log /var/log/alternatives.log

ENV PATH=/opt/venv/bin:${PATH} \
    LANG=C.UTF-8 \
    PYTHONNOUSERSITE=1

# Dependencies alone, so that an edit of the source does not install them again. All versions are those that
# constraints.txt names. A compiler is needed for `cpu` only, and stays in this stage.
FROM base AS dependencies
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
COPY constraints.txt /src/
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.crt,required=false \
    if [ -s /run/secrets/ca.crt ]; then export PIP_CERT=/run/secrets/ca.crt; fi \
    && python3 -m venv /opt/venv \
    && pip install --no-cache-dir --constraint /src/constraints.txt setuptools

# gpu: the wheels of PyPI, which carry CUDA and also run on a CPU. cpu: the same without CUDA (image/lighten.py).
ARG DEVICE=gpu
# Another index has CPU builds of the same versions (2.x+cpu), smaller still. It need not hold the pinned versions of
# what they depend on. torch and torchvision come from the same place in one step.
ARG TORCH_INDEX_URL=
COPY setup.cfg image /src/
WORKDIR /src
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.crt,required=false \
    if [ -s /run/secrets/ca.crt ]; then export PIP_CERT=/run/secrets/ca.crt; fi \
    && if [ -n "${TORCH_INDEX_URL}" ]; then pip install --no-cache-dir --no-deps --constraint constraints.txt \
        --index-url "${TORCH_INDEX_URL}" torch torchvision; fi \
    && python packages.py "${DEVICE}" constraints.txt \
    && python lighten.py "${DEVICE}"

FROM base
COPY --from=dependencies /opt/venv /opt/venv
# Every cache and configuration folder lies under /tmp: the root is read-only under Apptainer.
ENV OMP_NUM_THREADS=1 \
    MKL_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HF_HUB_OFFLINE=1 \
    DIPY_HOME=/tmp/bids_stroke/dipy \
    HF_HOME=/tmp/bids_stroke/huggingface \
    MNE_DONTWRITE_HOME=true \
    MPLCONFIGDIR=/tmp/bids_stroke/matplotlib \
    NILEARN_DATA=/tmp/bids_stroke/nilearn \
    TORCH_HOME=/tmp/bids_stroke/torch \
    TORCHINDUCTOR_CACHE_DIR=/tmp/bids_stroke/inductor \
    TRITON_CACHE_DIR=/tmp/bids_stroke/triton \
    XDG_CACHE_HOME=/tmp/bids_stroke/cache \
    XDG_CONFIG_HOME=/tmp/bids_stroke/config

COPY setup.cfg pyproject.toml README.md LICENSE /src/
COPY bids_stroke /src/bids_stroke
# Apptainer runs as the caller: all files must be readable by everyone. Only the files that are not are
# changed, since a change would copy them into this layer.
RUN pip install --no-cache-dir --no-deps --no-build-isolation --force-reinstall /src \
    && rm -rf /src \
    && find /opt/venv \( -type d ! -perm -0555 -o -type f ! -perm -0444 \) -exec chmod a+rX {} + \
    && python -c "import bids_stroke.app.run, bids_stroke.app.unit, deepbet, dipy, mne_bids, monai, picsl_greedy, SimpleITK, timm, torchvision" \
    && bids_stroke --version

ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE_URL=
LABEL org.opencontainers.image.title="bids_stroke" \
    org.opencontainers.image.description="BIDS App: feature maps and prediction of motor outcome after stroke, for research use only" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.source="${SOURCE_URL}" \
    org.opencontainers.image.licenses="MIT"

# Told in dataset_description.json; and with it an OUTPUT_DIR that is not mounted is refused.
ENV BIDS_STROKE_IMAGE="bids_stroke:${VERSION}"

WORKDIR /tmp
ENTRYPOINT ["/opt/venv/bin/bids_stroke"]
