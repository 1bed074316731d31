# The learning loop's worker: flagged exchanges to pairs, DPO, exams, registration, swap.
#   docker build -f deploy/worker.Dockerfile -t trimtab-worker .        (BuildKit: Docker 23 or newer)
# torch is the CPU build unless told otherwise; for an NVIDIA GPU add  --build-arg TORCH_INDEX=
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
WORKDIR /src
RUN python -m venv /opt/trimtab
ENV PATH=/opt/trimtab/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY pyproject.toml constraints.txt README.md LICENSE ./
# The largest layer first, and alone: empty TORCH_INDEX means the default index, whose torch brings its own CUDA libraries.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -c constraints.txt ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch
# Empty packages stand in for the code, so that a change of code does not install the dependencies anew.
RUN --mount=type=cache,target=/root/.cache/pip \
    mkdir gateway guards rewardserve finetune \
    && pip install -c constraints.txt '.[finetune,postgres]'
COPY gateway gateway
COPY guards guards
COPY rewardserve rewardserve
COPY finetune finetune
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-deps --force-reinstall .

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="trimtab-worker" \
      org.opencontainers.image.licenses="Apache-2.0"
# A fixed number, so that volumes shared between services agree on the owner.
RUN groupadd --gid 10001 trimtab \
    && useradd --uid 10001 --gid 10001 --create-home --home-dir /var/lib/trimtab --shell /usr/sbin/nologin trimtab \
    && install -d -o 10001 -g 10001 /var/lib/trimtab/adapters
COPY --from=build /opt/trimtab /opt/trimtab
# The root file system may be read-only: nothing is written but under /var/lib/trimtab and /tmp.
ENV PATH=/opt/trimtab/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HF_HOME=/var/lib/trimtab/huggingface
WORKDIR /var/lib/trimtab
USER 10001:10001
# It serves metrics alone, which do not say how it is; a run that dies ends the process, and the restart resumes it.
ENTRYPOINT ["trimtab"]
CMD ["finetune", "watch"]
