# The gateway: guards, strategies, ledger, admin. No torch, no model server.
#   docker build -f deploy/gateway.Dockerfile -t trimtab-gateway .        (BuildKit: Docker 23 or newer)
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
WORKDIR /src
RUN python -m venv /opt/trimtab
ENV PATH=/opt/trimtab/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# The dependencies are a layer of their own: empty packages stand in, so that a change of code does not install them anew.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN --mount=type=cache,target=/root/.cache/pip \
    mkdir gateway guards rewardserve finetune \
    && pip install -c constraints.txt '.[postgres]'
COPY gateway gateway
COPY guards guards
COPY rewardserve rewardserve
COPY finetune finetune
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-deps --force-reinstall . \
    && ! python -c 'import torch' 2>/dev/null

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="trimtab gateway" \
      org.opencontainers.image.licenses="Apache-2.0"
# A fixed number, so that volumes shared with the worker agree on the owner.
RUN groupadd --gid 10001 trimtab \
    && useradd --uid 10001 --gid 10001 --create-home --home-dir /var/lib/trimtab --shell /usr/sbin/nologin trimtab \
    && install -d -o 10001 -g 10001 /var/lib/trimtab/adapters
COPY --from=build /opt/trimtab /opt/trimtab
# The root file system may be read-only: nothing is written but under /var/lib/trimtab.
ENV PATH=/opt/trimtab/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/trimtab
USER 10001:10001
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/health', timeout=2)"]
ENTRYPOINT ["trimtab"]
CMD ["gateway", "serve"]
